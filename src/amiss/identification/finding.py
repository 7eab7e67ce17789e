"""Find the gradient in code: which line it is, of which prediction and target, and what multiplies it."""

import re
from dataclasses import dataclass
from itertools import chain
from typing import Any

from amiss.arrays.recorded import Node
from amiss.core.errors import ParameterError, suggest
from amiss.identification.evaluation import depends, inputs_below, is_below, nodes_below
from amiss.identification.names import ACTIVATIONS, FEATURES, PREDICTED, TARGET, is_rate, is_scalar, last_part
from amiss.identification.places import alone, in_product, in_row_sum, in_sum
from amiss.identification.predictions import prediction_and_target
from amiss.identification.products import direction, factors, is_linear_in, outer_scale, product
from amiss.identification.reading import Assignment, Code
from amiss.identification.scales import Scale

__all__ = ["Found", "find_gradient"]

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
ROUGH = ("where", "abs", "sign", "maximum", "minimum", "clip", "relu", "sum", "mean", "max", *COMPARISONS)
"""What no gradient of a likelihood has: cases, and sums over a row."""


@dataclass(frozen=True)
class Found:
    """A gradient in code.

    Attributes:
        name: what the code calls it, or "" of a lone expression; line: where it stands.
        value: its node; target, prediction: the nodes of these.
        logits: the node of what its activation is of, or None.
        predicted: what the code calls the prediction.
        activation: of the output as the code has it, or None where the code does not say.
        outer: what multiplies it on the way to the gradient of a weight.
        weights: what the code calls that gradient, or "".
        update: "+" or "-" of a later step that uses it, or "".
        inline: the same of the step that it stands in itself; then `outer` says whether that goes down.
        reduced: whether it is summed over the items.
        counts: the nodes of numbers of items that are part of `outer`.
    """

    name: str
    line: int
    value: Any
    target: Node
    prediction: Node
    logits: Node | None
    predicted: str
    activation: str | None
    outer: Scale
    weights: str = ""
    update: str = ""
    inline: str = ""
    reduced: bool = False
    counts: tuple[Node, ...] = ()

    @property
    def is_smooth(self) -> bool:
        """Whether the gradient has no cases and no sums over a row, which no likelihood's has."""
        return not any(node.operation in ROUGH for node in nodes_below(self.value, self.given))

    @property
    def asks_the_target(self) -> bool:
        """Whether the gradient has cases by the target, so that only certain labels have a meaning."""
        tests = [node for node in nodes_below(self.value) if node.operation in COMPARISONS]
        return any(depends(node, {self.target}) and not depends(node, {self.prediction}) for node in tests)

    @property
    def given(self) -> set[Node]:
        """The nodes that drawn numbers stand for."""
        return {self.prediction, self.target, *([self.logits] if self.logits is not None else [])}


def find_gradient(code: Code, prediction: str | None = None, target: str | None = None) -> Found:
    """Return the gradient that code computes, at the output of the model.

    Raises:
        ParameterError: there is none, or it cannot be told what is the prediction and what the target.
    """
    named = {assignment.name: assignment.value for assignment in code.assignments}
    targets = _targets(code, target, named)
    chosen = None if prediction is None else _chosen(code, prediction, named, "prediction")
    for place in (in_product, in_sum, in_row_sum, alone):
        for assignment, value, root in place(code, targets):
            cut = prediction_and_target(value, targets, chosen, named)
            if cut is not None:
                return _described(code, assignment, value, root, cut, named)
    unread = [f"line {x.line} is not understood: {x.unread[:50]}" for x in code.assignments if x.unread]
    names = sorted(name for name in code.inputs if name.replace(".", "").isidentifier() and name != "return")
    said = "; ".join([f"got the names {', '.join(names) or 'none'}", *unread[:2]])
    raise ParameterError(
        f"identify: code must have a line that compares a prediction with a target; {said}. "
        "Say which they are: prediction='...', target='...'."
    )


def _chosen(code: Code, name: str, named: dict[str, Any], what: str) -> Node:
    node = named.get(name, code.inputs.get(name))
    if not isinstance(node, Node):
        known = sorted({*named, *code.inputs} - {""})
        raise ParameterError(
            f"identify: {what} must be a name of the code; got {name!r}.{suggest(name, known)} "
            f"It has {', '.join(known) or 'none'}."
        )
    return node


def _targets(code: Code, target: str | None, named: dict[str, Any]) -> set[Node]:
    """Return the nodes that are the target: one, or all of the best name."""
    if target is not None:
        return {_chosen(code, target, named, "target")}
    fitting = [name for name in code.inputs if TARGET.search(name) and not PREDICTED.search(last_part(name))]
    fitting += [
        name for name in code.inputs if re.search(r"(set|train\w*|test\w*)_outputs?$", name, re.IGNORECASE)
    ]
    fitting += [name for name, node in code.inputs.items() if node in code.labels]
    used = set(chain.from_iterable(inputs_below(assignment.value) for assignment in code.assignments))
    return {code.inputs[name] for name in fitting if code.inputs[name] in used}


def _described(
    code: Code,
    assignment: Assignment,
    value: Any,
    root: Node | None,
    cut: tuple[Node, Node],
    named: dict[str, Any],
) -> Found:
    prediction, target = cut
    given, value = value, _with_slopes(value, prediction)
    slopes = {node.operands[1] for node in nodes_below(given) if node.operation == "slope"}
    holder = next((x for x in code.assignments if x.value is given), None)
    outer, weights, update, inline = Scale(), "", "", ""
    counts: tuple[Node, ...] = ()
    if root is not None or given is not assignment.value:  # a step of one item has its input in it, too
        value = _without_inputs(value, prediction, target)
    if root is not None:
        assignment = _last_before_step(code, assignment, root, target)
        inline = direction(assignment, root)
        outer = outer_scale(assignment.value, root, given, bool(inline)) or Scale()
        counts = tuple(x for x in nodes_below(assignment.value, {root}) if x.operation == "count")
        if not inline:
            weights = assignment.name
            later = [
                x for x in code.assignments if x is not assignment and is_below(assignment.value, x.value)
            ]
            update = next((found for x in later if (found := direction(x, assignment.value))), "")
    activation = prediction.operation if prediction.operation in ACTIVATIONS else None
    if activation is None:
        activation = next(iter(slopes), None) if prediction.operation == "input" else "identity"
    name = next((name for name, x in named.items() if x is prediction and name), "")
    return Found(
        name=holder.name if holder else "" if inline else assignment.name,
        line=(holder or assignment).line,
        value=value,
        target=target,
        prediction=prediction,
        logits=prediction.operands[0]
        if activation in ACTIVATIONS and isinstance(prediction.operands[0], Node)
        else None,
        predicted=name or (prediction.operands[0] if prediction.operation == "input" else "prediction"),
        activation=activation,
        outer=outer,
        weights=weights,
        update=update,
        inline=inline,
        reduced=root is not None,
        counts=counts,
    )


def _last_before_step(code: Code, first: Assignment, root: Node, target: Node) -> Assignment:
    """Return the last value that only divides a sum, or multiplies it, before a weight moves by it."""
    if direction(first, root):
        return first
    scaled = [x for x in code.assignments if x.name != "return" and is_below(root, x.value)]
    rates = [
        x
        for x in scaled
        if any(map(is_rate, (y for y in nodes_below(x.value, {root}) if y.operation == "input")))
    ]
    plain = [
        x
        for x in scaled
        if x not in rates and is_linear_in(x.value, root, {target}) and not direction(x, root)
    ]
    return plain[-1] if plain else first


def _with_slopes(value: Any, prediction: Node) -> Any:
    """Return a gradient with the derivatives that the code calls and does not define, such as sigmoid_prime.

    Whether these take z or a, what they give for the output is a function of that.
    """
    xp = prediction.graph
    made: dict[Node, Any] = {}
    for node in nodes_below(value):
        if node.operation == "slope":
            a = prediction
            slopes = {"sigmoid": a * (1.0 - a), "tanh": 1.0 - a * a, "relu": xp.where(a > 0.0, 1.0, 0.0)}
            made[node] = slopes[node.operands[1]]
        elif node.operation == "input":
            made[node] = node
        else:
            made[node] = xp.record(
                node.operation, *(made[x] if isinstance(x, Node) else x for x in node.operands)
            )
    return made[value] if isinstance(value, Node) else value


def _without_inputs(value: Any, prediction: Node, target: Node) -> Any:
    """Return a gradient by a weight without the input that multiplies it: x of x * (prediction - target)."""
    beneath = inputs_below(prediction)

    def is_input(x: Any) -> bool:
        if not isinstance(x, Node) or depends(x, {prediction, target}) or is_scalar(x):
            return False
        return any(FEATURES.match(node.operands[0]) or node in beneath for node in inputs_below(x))

    parts = factors(value)
    kept = [(x, power) for x, power in parts if not is_input(x)]
    return value if len(kept) == len(parts) else product(kept)
