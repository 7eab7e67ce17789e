"""Find the gradient in code: which line it is, of which prediction and target, and what multiplies it."""

import re
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from amiss.arrays.recorded import Node
from amiss.core.errors import ParameterError, suggest
from amiss.identification.evaluation import evaluate, inputs_below, is_below, nodes_below
from amiss.identification.reading import Assignment, Code
from amiss.identification.scales import Scale, scale_of

__all__ = ["Found", "find_gradient"]

TARGET = re.compile(
    r"(^|[_.\W])(y|t|ys|d|targets?|labels?|counts?|true|truth|actuals?|expected|desired|gt|real|one_?hot|correct)($|[_.\W\d])"
    r"|y_?(true|train|test|batch|real|data|i)|train_?y|true$|(set|train\w*|test\w*)_outputs?",
    re.IGNORECASE,
)
PREDICTED = re.compile(r"hat|pred|prob|logit|score|output|guess|estimate|fitted|activation", re.IGNORECASE)
LETTERS = re.compile(r"^(self\.)?(a|p|q|z|o|h|f|s|mu|out|al|zl)(\[?[-_]?\d*l?\]?)$", re.IGNORECASE)
COUNTS = re.compile(r"^(self\.)?(n|m|b|bs|batch_?size|num_\w+|n_\w+|samples|size|count)$", re.IGNORECASE)
FEATURES = re.compile(r"^(self\.)?(x\w*|inputs?|features?|a\d|h\d?)($|\[)", re.IGNORECASE)
WEIGHTS = re.compile(
    r"^(self\.)?(syn\w*|w|weights?\d*|w[_\d]\w*|theta\w*|v|u|beta|coef\w*)($|[\[.])", re.IGNORECASE
)
RATES = re.compile(r"learning|^(self\.)?(lr|eta|alpha|step_?size|l_rate)$", re.IGNORECASE)
REPORTS = re.compile(
    r"loss|cost|mse|mae|rmse|error_rate|metric|acc|entropy|nll|likelihood|^j$|score", re.IGNORECASE
)
ACTIVATIONS = ("sigmoid", "tanh", "softmax", "relu", "exp")


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
        rough = (
            "where",
            "abs",
            "sign",
            "maximum",
            "minimum",
            "clip",
            "relu",
            "lt",
            "le",
            "gt",
            "ge",
            "sum",
            "mean",
            "max",
        )
        return not any(node.operation in rough for node in nodes_below(self.value, self.given))

    @property
    def asks_the_target(self) -> bool:
        """Whether the gradient has cases by the target, so that only certain labels have a meaning."""
        tests = [
            node for node in nodes_below(self.value) if node.operation in ("eq", "ne", "lt", "le", "gt", "ge")
        ]
        return any(_depends(node, {self.target}) and not _depends(node, {self.prediction}) for node in tests)

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
    for place in (_in_product, _in_sum, _in_row_sum, _alone):
        for assignment, value, root in place(code, targets):
            cut = _cut(value, targets, chosen, named)
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
    fitting = [name for name in code.inputs if TARGET.search(name) and not PREDICTED.search(_last(name))]
    fitting += [
        name for name in code.inputs if re.search(r"(set|train\w*|test\w*)_outputs?$", name, re.IGNORECASE)
    ]
    fitting += [name for name, node in code.inputs.items() if node in code.labels]
    used = set(chain.from_iterable(inputs_below(assignment.value) for assignment in code.assignments))
    return {code.inputs[name] for name in fitting if code.inputs[name] in used}


def _last(name: str) -> str:
    return name.rpartition(".")[2]


# --- where a gradient stands ---------------------------------------------------------------------------
def _in_product(code: Code, targets: set[Node]) -> Any:
    """Yield what a product of matrices takes to the weights, and then what one takes to the layer below.

    It meets the target before any other product.
    """
    later = []
    for assignment in code.assignments:
        for node in nodes_below(assignment.value):
            if node.operation == "dot" and (value := _near_target(node, targets)) is not None:
                if any(_is_weight(x) for x in node.operands):
                    later.append((assignment, value, None))
                else:
                    yield assignment, value, node
    yield from later


def _is_weight(x: Any) -> bool:
    return isinstance(x, Node) and all(WEIGHTS.match(node.operands[0]) for node in inputs_below(x))


def _near_target(product: Node, targets: set[Node]) -> Any:
    """Return the factor of a product that depends on the target, not through another product."""
    for x in product.operands:
        inner = x.operands[0] if isinstance(x, Node) and x.operation == "transpose" else x
        if _meets(inner, targets) and not any(_meets(y, targets) for y in product.operands if y is not x):
            return inner
    return None


def _meets(x: Any, targets: set[Node]) -> bool:
    """Return whether a node depends on a target otherwise than through a product of matrices."""
    pending, seen = [x], set()
    while pending:
        node = pending.pop()
        if node in targets:
            return True
        if isinstance(node, Node) and node not in seen and node.operation != "dot":
            seen.add(node)
            pending.extend(node.operands)
    return False


def _in_sum(code: Code, targets: set[Node]) -> Any:
    """Yield what is summed, or averaged, over the items."""
    for assignment in code.assignments:
        if _reports(assignment):
            continue
        for node in nodes_below(assignment.value):
            over_items = node.operation in ("sum", "mean") and node.operands[1] in ("all", "0")
            if over_items and _meets(node.operands[0], targets) and _is_all(assignment.value, node, targets):
                yield assignment, node.operands[0], node


def _is_all(value: Any, root: Node, targets: set[Node]) -> bool:
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


def _reports(assignment: Assignment) -> bool:
    """Return whether a value is by its name a number for people, or what a loss function returns."""
    if assignment.name == "return" and re.search(
        r"forward|loss|cost|call|mse|error", assignment.function, re.IGNORECASE
    ):
        return not re.search(r"prime|deriv|grad|back", assignment.function, re.IGNORECASE)
    is_gradient = re.match(r"d|grad", assignment.name, re.IGNORECASE)
    return bool(REPORTS.search(_last(assignment.name))) and not is_gradient


def _in_row_sum(code: Code, targets: set[Node]) -> Any:
    """Yield what is summed over the items where these are columns."""
    for assignment in code.assignments:
        for node in nodes_below(assignment.value):
            if (
                node.operation not in ("sum", "mean")
                or not _meets(node.operands[0], targets)
                or _reports(assignment)
            ):
                continue
            others = [
                x for x, _ in factors(assignment.value) if isinstance(x, Node) and not is_below(node, x)
            ]
            if all(map(_is_scalar, others)) and _is_all(assignment.value, node, targets):
                yield assignment, node.operands[0], node


def _alone(code: Code, targets: set[Node]) -> Any:
    """Yield the last value that depends on the target number by number, of a function that goes back first.

    Raises:
        ParameterError: a later line that uses such a value is not understood.
    """
    backward = re.compile(r"back|grad|prime|deriv|delta|obj", re.IGNORECASE)
    ordered = sorted(reversed(code.assignments), key=lambda x: not backward.search(x.function))
    for assignment in ordered:
        reports = _reports(assignment)
        used = [x for x in assignment.uses if x not in targets and _meets(x, targets)]
        if assignment.unread and used and not reports and not _only_reported(used, code):
            raise ParameterError(
                f"identify: line {assignment.line} must be understood, since it goes on from the gradient; "
                f"{assignment.unread[:60]!r} is not. Write it out, or leave that line out."
            )
        if not reports and assignment.value not in targets and _meets(assignment.value, targets):
            yield assignment, _step(assignment), None


def _only_reported(used: list[Node], code: Code) -> bool:
    names = [x.name for x in code.assignments for node in used if x.value is node]
    return all(REPORTS.search(_last(name)) for name in names)


def _step(assignment: Assignment) -> Any:
    """Return the gradient of a step that stands in its update, w = w - rate * gradient, without the rate."""
    value = assignment.value
    if not isinstance(value, Node) or value.operation not in ("add", "sub"):
        return value
    old, moved = value.operands
    if not (_is_old(old, assignment.name) and isinstance(moved, Node)):
        return value
    parts = [(x, power) for x, power in factors(moved) if not (isinstance(x, Node) and _is_rate(x))]
    return product([(-1.0, 1), *parts] if value.operation == "add" else parts)


def _is_old(node: Any, name: str) -> bool:
    """Return whether a node is a weight before its update."""
    return isinstance(node, Node) and node.operation == "input" and node.operands[0] == name


def _is_rate(node: Node) -> bool:
    inputs = inputs_below(node)
    return bool(inputs) and all(RATES.search(x.operands[0]) for x in inputs)


# --- the prediction ------------------------------------------------------------------------------------
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


def _cut(
    value: Any, targets: set[Node], chosen: Node | None, named: dict[str, Any]
) -> tuple[Node, Node] | None:
    """Return the prediction and the target of a gradient, None if it does not compare the two."""
    core = [x for x, _ in factors(value) if isinstance(x, Node) and _depends(x, targets)]
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
        for node in sorted(below, key=_number, reverse=True):
            scalar = (
                _is_scalar(node) and node.operation not in ACTIVATIONS
            )  # exp(eta) may be a rate of counts
            if _depends(node, {target}) or scalar or not _is_output(node, named):
                continue
            others = set().union(*(inputs_below(x, {node, target}) for x in core))
            if any(PREDICTED.search(x.operands[0]) or is_below(x, node) for x in others):
                continue
            rank = (_named_as_prediction(node, named), -len(others))
            if best is None or rank > best[0]:
                best = rank, (node, target)
    return None if best is None else best[1]


def _number(node: Node) -> int:
    return node.number


def _depends(node: Node, on: set[Node]) -> bool:
    return not on.isdisjoint(nodes_below(node, on))


def _is_scalar(node: Node) -> bool:
    """Return whether a node is made of numbers of items and rates only."""
    counts = {x for x in nodes_below(node) if x.operation == "count"}
    return all(COUNTS.match(x.operands[0]) or RATES.search(x.operands[0]) for x in inputs_below(node, counts))


def _is_output(node: Node, named: dict[str, Any]) -> bool:
    """Return whether a model may put a node out: a name, an activation, a thing of several inputs."""
    if node.operation in ("count", "transpose", "sign", "eq", "ne", "lt", "le", "gt", "ge"):
        return False
    if node.operation == "where" and not any(isinstance(x, Node) for x in node.operands[1:]):
        return False  # a decision, which has no slope
    if node.operation == "input" or node.operation in ACTIVATIONS or len(inputs_below(node)) > 1:
        return True
    return any(PREDICTED.search(_last(name)) for name, value in named.items() if value is node)


def _named_as_prediction(node: Node, named: dict[str, Any]) -> int:
    """Return how much the name of a node, or that it is an output, speaks for its being the prediction."""
    names = [name for name, value in named.items() if value is node]
    names += [node.operands[0]] if node.operation == "input" else []
    if any(PREDICTED.search(_last(name)) for name in names):
        return 3
    if node.operation in ACTIVATIONS or (node.operation != "input" and inputs_below(node)):
        return 2
    return 2 if any(LETTERS.match(_last(name)) for name in names) else 0


# --- what multiplies it --------------------------------------------------------------------------------
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
        inline = _direction(assignment, root)
        outer = _outer(assignment.value, root, given, bool(inline)) or Scale()
        counts = tuple(x for x in nodes_below(assignment.value, {root}) if x.operation == "count")
        if not inline:
            weights = assignment.name
            later = [
                x for x in code.assignments if x is not assignment and is_below(assignment.value, x.value)
            ]
            update = next((found for x in later if (found := _direction(x, assignment.value))), "")
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
    if _direction(first, root):
        return first
    scaled = [x for x in code.assignments if x.name != "return" and is_below(root, x.value)]
    rates = [
        x
        for x in scaled
        if any(map(_is_rate, (y for y in nodes_below(x.value, {root}) if y.operation == "input")))
    ]
    plain = [
        x for x in scaled if x not in rates and _is_all(x.value, root, {target}) and not _direction(x, root)
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
        if not isinstance(x, Node) or _depends(x, {prediction, target}) or _is_scalar(x):
            return False
        return any(FEATURES.match(node.operands[0]) or node in beneath for node in inputs_below(x))

    parts = factors(value)
    kept = [(x, power) for x, power in parts if not is_input(x)]
    return value if len(kept) == len(parts) else product(kept)


def _direction(assignment: Assignment, root: Node) -> str:
    """Return "-" if an assignment goes down along a gradient, "+" if up, "" if it does neither."""
    value = assignment.value
    if not isinstance(value, Node) or value.operation not in ("add", "sub"):
        return ""
    left, right = value.operands
    old = isinstance(left, Node) and left.operation in ("input", "sub", "add") and is_below(root, right)
    if not old or (left.operation == "input" and left.operands[0] != assignment.name):
        return ""
    scale = _outer(value, root, None, is_update=False)
    return "" if scale is None else "-" if scale.number < 0 else "+"


def _outer(value: Any, root: Node, inner: Any, is_update: bool) -> Scale | None:
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
            part
            for x in others
            for part in factors(x)
            if not isinstance(part[0], Node) or _is_scalar(part[0])
        ]
        within = [(x, power) for x, power in within if not (isinstance(x, Node) and _is_rate(x))]
        one = root.graph.input("one")
        inside = product([(one, 1), *within])
        found = _slope(inside, one, [x for x in nodes_below(inside) if x.operation == "count"])
        scale = scale.times(found or Scale())
    return scale.times(Scale(1.0, {"N": -1})) if root.operation == "mean" else scale


def _slope(value: Any, root: Node, counts: list[Node]) -> Scale | None:
    """Return the slope of a value in a node that it is linear in, None where it cannot be told."""
    inputs = sorted(inputs_below(value, {root, *counts}), key=_number)
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
