"""What in a gradient is the prediction, and what the target."""

from typing import Any

from amiss.arrays.recorded import Node
from amiss.identification.evaluation import depends, inputs_below, is_below, nodes_below
from amiss.identification.names import ACTIVATIONS, LETTERS, PREDICTED, is_scalar, last_part
from amiss.identification.products import factors

__all__ = ["prediction_and_target"]


def prediction_and_target(
    value: Any, targets: set[Node], chosen: Node | None, named: dict[str, Any]
) -> tuple[Node, Node] | None:
    """Return the prediction and the target of a gradient, None if it does not compare the two."""
    core = [x for x, _ in factors(value) if isinstance(x, Node) and depends(x, targets)]
    return _cut_of(core, value, targets, chosen, named) or _cut_of([value], value, targets, chosen, named)


def _cut_of(
    core: list[Any], value: Any, targets: set[Node], chosen: Node | None, named: dict[str, Any]
) -> tuple[Node, Node] | None:
    """Return prediction and target: what some factors depend on, but for single names."""
    below = list({node: None for x in core for node in nodes_below(x)})
    mine = [node for node in below if node in targets]
    if chosen is not None:
        return (chosen, mine[0]) if mine and is_below(chosen, value) else None
    best: tuple[Any, tuple[Node, Node]] | None = None
    for target in mine:
        for node in sorted(below, key=lambda node: node.number, reverse=True):
            scalar = is_scalar(node) and node.operation not in ACTIVATIONS  # exp(eta) may be a rate of counts
            if depends(node, {target}) or scalar or not _is_output(node, named):
                continue
            others = set().union(*(inputs_below(x, {node, target}) for x in core))
            if any(PREDICTED.search(x.operands[0]) or is_below(x, node) for x in others):
                continue
            rank = (_named_as_prediction(node, named), -len(others))
            if best is None or rank > best[0]:
                best = rank, (node, target)
    return None if best is None else best[1]


def _is_output(node: Node, named: dict[str, Any]) -> bool:
    """Return whether a model may put a node out: a name, an activation, a thing of several inputs."""
    if node.operation in ("count", "transpose", "sign", "eq", "ne", "lt", "le", "gt", "ge"):
        return False
    if node.operation == "where" and not any(isinstance(x, Node) for x in node.operands[1:]):
        return False  # a decision, which has no slope
    if node.operation == "input" or node.operation in ACTIVATIONS or len(inputs_below(node)) > 1:
        return True
    return any(PREDICTED.search(last_part(name)) for name, value in named.items() if value is node)


def _named_as_prediction(node: Node, named: dict[str, Any]) -> int:
    """Return how much the name of a node, or that it is an output, speaks for its being the prediction."""
    names = [name for name, value in named.items() if value is node]
    names += [node.operands[0]] if node.operation == "input" else []
    if any(PREDICTED.search(last_part(name)) for name in names):
        return 3
    if node.operation in ACTIVATIONS or (node.operation != "input" and inputs_below(node)):
        return 2
    return 2 if any(LETTERS.match(last_part(name)) for name in names) else 0
