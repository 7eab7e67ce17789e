"""The numbers that code computes beside a gradient, such as a printed MSE: what they are to the loss."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.arrays.recorded import Node
from amiss.core.errors import AmissError
from amiss.identification.evaluation import evaluate, inputs_below, is_below, nodes_below
from amiss.identification.finding import Found
from amiss.identification.matching import Match, own_activation
from amiss.identification.names import COUNTS, REPORTS
from amiss.identification.reading import Assignment, Code
from amiss.identification.scales import tidy
from amiss.naming import get

__all__ = ["Printed", "printed_numbers"]

ROWS = 37


@dataclass(frozen=True)
class Printed:
    """A number that code computes from prediction and target.

    Attributes:
        name: as the code calls it.
        line: where it stands.
        relation: what it is to the loss that is minimised, in words.
    """

    name: str
    line: int
    relation: str


def printed_numbers(code: Code, found: Found, match: Match | None) -> tuple[Printed, ...]:
    """Return the numbers that are no part of the gradient, each with its relation to the loss."""
    numbers = []
    for assignment in code.assignments:
        if not REPORTS.search(assignment.name) or _is_used(assignment, found):
            continue
        relation = _relation(assignment, found, match)
        if relation:
            numbers.append(Printed(assignment.name, assignment.line, relation))
    return tuple(dict.fromkeys(numbers))


def _is_used(assignment: Assignment, found: Found) -> bool:
    """Return whether the gradient is computed from a value."""
    return is_below(assignment.value, found.value)


def _relation(assignment: Assignment, found: Found, match: Match | None) -> str:
    if assignment.calls is not None:
        return _of_call(assignment, found, match)
    value = assignment.value
    if not isinstance(value, Node) or not {found.prediction, found.target} <= set(nodes_below(value)):
        return ""
    if match is None:
        return "it is computed and never used by the training"
    readings = {}
    others = inputs_below(value, found.given)
    if any(not COUNTS.match(node.operands[0]) for node in others):
        return ""

    def number(z: np.ndarray, a: np.ndarray, y: np.ndarray, count: float) -> float:
        given = {found.prediction: a, found.target: y, **dict.fromkeys(others, count)}
        if found.logits is not None:
            given[found.logits] = z
        return float(np.ravel(evaluate(value, given))[0])

    try:
        for word in _words_for_count(found, match):
            readings[word] = _ratios(number, found, match, word)
    except (KeyError, ValueError, TypeError, IndexError, AmissError):
        return "it is computed and never used by the training"
    return _said(readings)


def _of_call(assignment: Assignment, found: Found, match: Match | None) -> str:
    """Say what a function that the code does not define gives, if its name is that of a loss."""
    assert assignment.calls is not None
    name, arguments = assignment.calls
    if not {found.prediction, found.target} <= {x for x in arguments if isinstance(x, Node)}:
        return ""
    try:
        loss: Any = get(name)
    except AmissError:
        return "it is a metric: a number for people, which the training never uses"
    if match is None:
        return "it is computed and never used by the training"

    def number(_: np.ndarray, a: np.ndarray, y: np.ndarray, __: float) -> float:
        return float(np.mean(loss(a, y, reduction="none")))

    try:
        readings = {word: _ratios(number, found, match, word) for word in _words_for_count(found, match)}
    except AmissError:
        return "it is of another loss: a metric only"
    said = _said(readings)
    if "another function" in said:
        return said
    half = {
        word: None if ratio is None else (ratio[0] / 2.0, ratio[1] / 2.0) for word, ratio in readings.items()
    }
    return (
        f"the code does not define {name}. Where it is the mean over all numbers, {said}; "
        f"where it has a ½ too, {_said(half)}"
    )


def _words_for_count(found: Found, match: Match) -> list[str]:
    """Return what the N of the factor may count: what the code says, or else both."""
    scale = match.scale.times(found.outer)
    names = [name for name in scale.powers if name == "N" or COUNTS.match(name)]
    texts = [node.operands[1] for node in _counts(found)]
    if any(text.endswith("size") for text in texts):
        return ["numbers"]
    if texts or not names or (found.outer.powers.get("N") == -1 and not names):
        return ["items"]
    return ["items", "numbers"]


def _counts(found: Found) -> list[Node]:
    return [node for node in nodes_below(found.value) if node.operation == "count"] + list(found.counts)


def _ratios(number: Any, found: Found, match: Match, word: str) -> tuple[float, float] | None:
    """Return the printed number over the loss for one output and for three; None if that is no constant.

    A row of a softmax is never cut: there both are for all of it.
    """
    reading, ratios = match.reading, []
    own = own_activation(reading.loss) == reading.activation
    for columns in (1, 3):
        at = []
        for start in (0, ROWS):
            width = None if reading.activation == "softmax" else columns
            z, a, y = (x[start : start + ROWS, :width] for x in reading.draw())
            count = float(ROWS if word == "items" else y.size)
            loss = reading.loss(z if own else a, y, reduction="sum")
            scale = match.scale.times(found.outer)
            minimised = scale.number * float(loss) * np.prod([count**n for n in scale.powers.values()])
            at.append(number(z, a, y, count) / abs(minimised))
        if abs(at[0] - at[1]) > 1e-9 * abs(at[0]):
            return None
        ratios.append(at[0])
    return tidy(ratios[0]), tidy(ratios[1])


def _said(readings: dict[str, tuple[float, float] | None]) -> str:
    """Say what the readings of N make of a number."""
    if all(ratio is None for ratio in readings.values()):
        return "it is another function than the loss whose gradient this is, a metric only"
    said = {word: _times(*ratio) for word, ratio in readings.items() if ratio is not None}
    if len(set(said.values())) == 1:
        return f"it is {next(iter(said.values()))}"
    names = {"items": "the items", "numbers": "all numbers of the target"}
    return "it is " + ", or ".join(f"{text} if N counts {names[word]}" for word, text in said.items())


def _times(one: float, three: float) -> str:
    """Say what multiplies the loss, given that for one output of an item and for three."""
    if abs(one - three) < 1e-9 * abs(one):
        return (
            "the loss whose gradient this is"
            if one == 1.0
            else f"{one:.6g} times the loss whose gradient this is"
        )
    if abs(one - 3.0 * three) < 1e-9 * abs(one):
        return f"{one:.6g}/K times the loss whose gradient this is (K outputs for each item)"
    return f"{one:.6g} times the loss whose gradient this is (one output for each item)"
