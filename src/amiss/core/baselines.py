"""Baselines: what the best constant prediction costs, and what a network's first loss should be."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from amiss.arrays import namespace_of
from amiss.core.batches import BatchLoss
from amiss.core.errors import ParameterError, ShapeError
from amiss.core.inputs import expand_weight
from amiss.core.items import ClassItems, RowItems
from amiss.core.loss import Loss
from amiss.core.parameters import LOG_PROBABILITY, PROBABILITY
from amiss.core.targets import one_hot

__all__ = ["Baseline", "baseline"]

SATURATED = 36.0
"""A logit or a logarithm beyond it stands for an infinite one: the rest of the probability is below 1e-15."""

LINKS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda mean: mean,
    "log": np.log,
    "logit": lambda mean: np.log(mean) - np.log1p(-mean),
    "softmax": np.log,
}
"""From a mean, or the probabilities of classes, to a prediction."""


@dataclass(frozen=True)
class Baseline:
    """The best constant prediction for a target.

    Attributes:
        constant: a number, or a row with one number for each class.
        value: its loss, the mean over the items. A model whose loss is not below it has learnt nothing.
        start: the loss of a network that says nothing yet, because its last layer gives 0: ln K for K
            classes, ln 2 for two, the mean square of the target. Where its outputs are spread around 0 with
            a variance v, softmax cross-entropy starts near ln K + v / 2.
    """

    constant: Any
    value: float
    start: float


def baseline(loss: Loss, target: Any, weight: Any = None) -> Baseline:
    """Return the best constant prediction for a target, its loss, and what a first loss should be.

    Args:
        loss: a loss of the catalogue.
        target: as the loss takes it: numbers, class indices or rows of probabilities.
        weight: one number per item, or None.

    Units:
        constant: those of a prediction. value, start: those of the loss.

    Raises:
        ParameterError: the loss is a combination, whose terms want different constants.
        ShapeError: there is no item.
        DTypeError, DomainError: the target is not one for this loss.

    Notes:
        A mean, or the frequency of each class, is written down; for other losses the derivative is followed
        to where it changes its sign. Where all constants of an interval are best it is the middle one.

    Source:
        Karpathy (2019), A Recipe for Training Neural Networks: verify the loss at initialisation, and train
        an input-independent baseline.

    Examples:
        >>> import amiss
        >>> baseline(amiss.SquaredError(), [1.0, 2.0, 6.0])  # the mean; (4 + 1 + 9) / 3; (1 + 4 + 36) / 3
        Baseline(constant=3.0, value=4.666666666666667, start=13.666666666666666)
        >>> found = baseline(amiss.CrossEntropy(input="probabilities"), [0, 1, 1, 1])
        >>> found.constant, round(found.value, 6)  # -(ln 0.25 + 3 ln 0.75) / 4
        (array([0.25, 0.75]), 0.562335)
    """
    if not isinstance(loss, Loss) or not hasattr(type(loss), "parameters"):
        remedy = "Construct it first." if isinstance(loss, type) else "Ask the terms of a sum one by one."
        raise ParameterError(f"baseline: loss must be a loss such as amiss.Huber(); got {loss!r}. {remedy}")
    target = np.asarray(target)
    if not target.size:
        raise ShapeError(f"baseline: target must have an item or more; got shape {target.shape}.")
    with np.errstate(all="ignore"):
        if isinstance(loss, RowItems):
            return _of_rows(loss, target, weight)
        return _of_numbers(loss, target.astype(np.float64) if target.dtype.kind in "biuf" else target, weight)


def _weights(loss: Loss, weight: Any, items: np.ndarray) -> np.ndarray:
    """Return one weight per item, or raise what a call of the loss would."""
    if weight is None:
        return np.ones(items.shape)
    return np.asarray(expand_weight(namespace_of(items), type(loss).__name__, weight, items))


# --- one number --------------------------------------------------------------------------------------------
def _of_numbers(loss: Any, target: np.ndarray, weight: Any) -> Baseline:
    def cost(constant: float) -> float:
        return float(loss(np.full(target.shape, constant), target, weight))

    def slope(constant: float) -> float:
        # Not of the mean: sums of whole numbers cancel to 0 without rounding.
        return float(np.sum(loss.gradient(np.full(target.shape, constant), target, weight, "sum")))

    domain = loss.prediction_domain
    nothing = 0.5 if domain == PROBABILITY else 1.0 if domain.low == 0.0 else 0.0  # sigmoid, exp or all of 0
    start = cost(nothing)  # also says what is wrong with the target
    if math.isnan(start):  # as a target is
        return Baseline(start, start, start)
    if loss.facts.minimiser == "mean":
        each = _weights(loss, weight, target)
        best = float(LINKS[loss.facts.link](np.sum(each * target) / np.sum(each)))
    else:
        best = _least(loss, cost, slope, nothing)
    return Baseline(best, cost(best), start)


def _least(
    loss: Any, cost: Callable[[float], float], slope: Callable[[float], float], inside: float
) -> float:
    """Return where the derivative changes its sign from - to +, the middle of where it is 0."""
    domain, low, high = loss.prediction_domain, inside, inside
    low = domain.low if math.isfinite(domain.low) else _away(lambda c: slope(c) < 0.0, inside, -1.0)
    high = domain.high if math.isfinite(domain.high) else _away(lambda c: slope(c) > 0.0, inside, 1.0)
    if not loss.facts.convex:  # the lowest valley of those that a grid finds
        grid = np.linspace(max(low, -2 * SATURATED), min(high, 2 * SATURATED), 401)
        place = int(np.argmin([cost(c) for c in grid]))
        low, high = grid[max(0, place - 1)], grid[min(len(grid) - 1, place + 1)]
    first = _switch(lambda c: slope(c) >= 0.0, low, high)
    last = -_switch(lambda c: slope(-c) <= 0.0, -high, -low)
    ends = {domain.low, domain.high}
    found = [end for end, tried in ((first, low), (last, high)) if end != tried or tried in ends]
    best = sum(found) / len(found) if found else (low + high) / 2
    return math.copysign(math.inf, best) if loss.facts.link != "identity" and abs(best) > SATURATED else best


def _away(far_enough: Callable[[float], bool], start: float, step: float) -> float:
    """Return a number far enough from the start, or the last one of a thousand times as far each time."""
    for power in range(1, 60):
        if far_enough(start + step * 2.0**power):
            break
    return start + step * 2.0**power


def _switch(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return the least number from which on a condition holds, by halving the interval."""
    if holds(low):
        return low
    while True:
        middle = low + (high - low) / 2
        if middle in (low, high):
            return high
        low, high = (low, middle) if holds(middle) else (middle, high)


# --- a row -------------------------------------------------------------------------------------------------
def _of_rows(loss: Any, target: np.ndarray, weight: Any) -> Baseline:
    rows, each = _rows(loss, target, weight)
    if isinstance(loss, BatchLoss):
        best = _on_simplex(replace(loss, axis=-1), rows, each)  # type: ignore[type-var]
    elif isinstance(loss, ClassItems):
        shares = loss._shares(namespace_of(rows), rows)  # type: ignore[attr-defined]
        best = each @ shares / (each @ shares).sum()
    else:
        best = each @ (rows / np.linalg.norm(rows, axis=-1, keepdims=True))
        best /= np.linalg.norm(best)
    domain, classes = loss.prediction_domain, rows.shape[-1]
    to_prediction = np.log if domain == LOG_PROBABILITY else LINKS.get(loss.facts.link, LINKS["identity"])
    nothing = {PROBABILITY: 1 / classes, LOG_PROBABILITY: -math.log(classes)}.get(domain, 0.0)

    def cost(row: np.ndarray) -> float:
        return float(replace(loss, axis=-1)(np.broadcast_to(row, rows.shape), rows, each))

    constant = to_prediction(best)
    return Baseline(constant, cost(constant), cost(np.full(classes, nothing)))


def _rows(loss: Any, target: np.ndarray, weight: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return targets as rows along the last axis, and how much each counts; whole numbers are indices."""
    if target.dtype.kind == "f" or not isinstance(loss, ClassItems):
        rows = np.moveaxis(target.astype(np.float64), loss._axis, -1)
        counted = np.ones(rows.shape[:-1])
    else:
        kept = np.full(target.shape, True) if loss._ignored is None else target != loss._ignored
        if not kept.any():
            raise ShapeError("baseline: target must have an item that counts; got ignored ones only.")
        classes = loss._classes or int(target[kept].max()) + 1
        rows, counted = one_hot(np.where(kept, target, 0), classes), kept.astype(np.float64)
    return rows.reshape(-1, rows.shape[-1]), (counted * _weights(loss, weight, counted)).ravel()


def _on_simplex(loss: Any, rows: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Return the probabilities of the least cost, found by steps that keep them positive and their sum 1."""
    plain = replace(loss, input="probabilities")

    def cost(p: np.ndarray) -> float:
        return float(plain(np.broadcast_to(p, rows.shape), rows, each))

    classes, rate = rows.shape[-1], 1.0
    p = 0.9 * (each @ rows) / each.sum() + 0.1 / classes
    for _ in range(500):
        slope = plain.gradient(np.broadcast_to(p, rows.shape), rows, each).sum(0)
        moved = p * np.exp(rate * (slope.min() - slope))
        moved /= moved.sum()
        p, rate = (moved, 1.5 * rate) if cost(moved) < cost(p) else (p, rate / 2)
    return np.asarray(min([*np.eye(classes), p], key=cost))
