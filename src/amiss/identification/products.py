"""Values as products of factors, and as something that is linear in one of their parts."""

from typing import Any

import numpy as np

from amiss.arrays.recorded import Node
from amiss.identification.evaluation import evaluate, inputs_below, is_below, nodes_below
from amiss.identification.names import RATES, is_rate, is_scalar
from amiss.identification.reading import Assignment
from amiss.identification.scales import Scale, scale_of

__all__ = ["direction", "factors", "is_linear_in", "outer_scale", "product"]


def factors(value: Any, most: int = 64) -> list[tuple[Any, int]]:
    """Return what a value is a product of, each with its power 1 or -1; itself where they are too many."""
    found: list[tuple[Any, int]] = []
    pending = [(value, 1)]
    while pending:
        x, power = pending.pop()
        if len(found) + len(pending) > most:
            return [(value, 1)]
        if isinstance(x, Node) and x.operation in ("mul", "div"):
            left, right = x.operands
            pending += [(right, power if x.operation == "mul" else -power), (left, power)]
        elif isinstance(x, Node) and x.operation == "neg":
            pending += [(x.operands[0], power), (-1.0, 1)]
        else:
            found.append((x, power))
    return found


def product(parts: list[tuple[Any, int]]) -> Any:
    """Return the product of factors."""
    result: Any = 1.0
    for x, power in parts:
        result = result * x if power == 1 else result / x
    return result


def is_linear_in(value: Any, root: Node, targets: set[Node]) -> bool:
    """Return whether a value is a multiple of a sum, plus what has nothing to do with the target."""
    if not targets.isdisjoint(nodes_below(value, {root})):
        return False
    stop = {root, *(node for node in nodes_below(value, {root}) if node.operation == "count")}
    given = dict.fromkeys(stop | inputs_below(value, stop), 1.7)
    try:
        low, middle, high = (float(np.ravel(evaluate(value, {**given, root: x}))[0]) for x in (1.0, 2.0, 3.0))
    except (KeyError, ValueError, TypeError, IndexError):
        return True
    return bool(abs(low + high - 2.0 * middle) <= 1e-9 * (abs(low) + abs(high)))


def direction(assignment: Assignment, root: Node) -> str:
    """Return "-" if an assignment goes down along a gradient, "+" if up, "" if it does neither."""
    value = assignment.value
    if not isinstance(value, Node) or value.operation not in ("add", "sub"):
        return ""
    left, right = value.operands
    old = isinstance(left, Node) and left.operation in ("input", "sub", "add") and is_below(root, right)
    if not old or (left.operation == "input" and left.operands[0] != assignment.name):
        return ""
    scale = outer_scale(value, root, None, is_update=False)
    return "" if scale is None else "-" if scale.number < 0 else "+"


def outer_scale(value: Any, root: Node, inner: Any, is_update: bool) -> Scale | None:
    """Return what multiplies a sum over items on its way into a value; the learning rate stays out of it."""
    counts = [node for node in nodes_below(value, {root}) if node.operation == "count"]
    scale = _slope(value, root, counts)
    if scale is None:
        return None
    if is_update:
        rates = [name for name in scale.powers if RATES.search(name)]
        scale = Scale(-scale.number, {name: n for name, n in scale.powers.items() if name not in rates})
    if root.operation == "dot" and inner is not None:  # 2 / m * X.T @ (prediction - target): it stands within
        others = [x for x in root.operands if not is_below(inner, x)]
        within = [
            part for x in others for part in factors(x) if not isinstance(part[0], Node) or is_scalar(part[0])
        ]
        within = [(x, power) for x, power in within if not (isinstance(x, Node) and is_rate(x))]
        one = root.graph.input("1")  # no name that code can have
        inside = product([(one, 1), *within])
        found = _slope(inside, one, [x for x in nodes_below(inside) if x.operation == "count"])
        scale = scale.times(found or Scale())
    return scale.times(Scale(1.0, {"N": -1})) if root.operation == "mean" else scale


def _slope(value: Any, root: Node, counts: list[Node]) -> Scale | None:
    """Return the slope of a value in a node that it is linear in, None where it cannot be told."""
    inputs = sorted(inputs_below(value, {root, *counts}), key=lambda node: node.number)
    names = {node: node.operands[0] for node in inputs} | dict.fromkeys(counts, "N")
    rng = np.random.default_rng(0)
    base = {node: float(rng.uniform(1.5, 2.5)) for node in (*inputs, *counts)}

    def slope(given: dict[Node, float]) -> float:
        one, none = (evaluate(value, {**given, root: x}) for x in (1.0, 0.0))
        return float(np.asarray(one - none).ravel()[0])

    try:
        return scale_of(slope, base, names)
    except (KeyError, ValueError, TypeError, FloatingPointError):
        return None
