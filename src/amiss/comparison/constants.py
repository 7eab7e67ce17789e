"""What the best constant output costs in a comparison, and what a first loss should be."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.comparison.data import DataSet
from amiss.comparison.setups import Entrant, coded
from amiss.core import BatchLoss, Combination
from amiss.core.baselines import baseline
from amiss.core.errors import AmissError
from amiss.core.items import RowItems

__all__ = ["Constant", "constant_of"]

_STEPS = 300


@dataclass(frozen=True)
class Constant:
    """The baseline of one loss in a comparison, in the loss's own units.

    Attributes:
        loss: the loss, in text.
        value: the least training loss of an output that is the same for every row; NaN if not known.
        start: the training loss of a network whose last layer gives 0, about that of the first step.
        batches: whether the loss of a batch is no mean over its rows; means of batches then differ from it.
    """

    loss: str
    value: float = math.nan
    start: float = math.nan
    batches: bool = False


def constant_of(entrant: Entrant, data: DataSet) -> Constant:
    """Return the baseline of a loss with the output and the targets that it has in a comparison.

    Classes are compared by how often they are, so that this takes no longer with more rows. A sum of losses
    has none.

    Examples:
        >>> from amiss.comparison import from_arrays
        >>> from amiss.comparison.setups import enter
        >>> data = from_arrays(np.arange(40.0), np.arange(40) % 4 // 3)  # 3 of 4 rows are of class 0
        >>> found = constant_of(enter("ce", "classification"), data)
        >>> round(found.start, 6)  # log 2
        0.693147
    """
    if isinstance(entrant.loss, Combination):
        return Constant(entrant.label)
    try:
        with np.errstate(all="ignore"):
            value, start = _found(entrant, data)
    except AmissError:
        return Constant(entrant.label)
    return Constant(entrant.label, value, start, isinstance(entrant.loss, BatchLoss))


def _found(entrant: Entrant, data: DataSet) -> tuple[float, float]:
    loss = entrant.loss
    if not data.classes:
        found = baseline(loss, coded(entrant, data, data.y_train).astype(float))
        return found.value, found.start
    index, count = np.unique(data.y_train, return_counts=True)
    target, weight = coded(entrant, data, index), count.astype(float)
    if isinstance(loss, RowItems):
        found = baseline(loss, target, weight)
        return found.value, found.start
    if entrant.output == "softmax":
        return _on_simplex(loss, target.astype(float), weight)
    columns = [baseline(loss, column, weight) for column in target.astype(float).T]
    return float(np.mean([one.value for one in columns])), float(np.mean([one.start for one in columns]))


def _on_simplex(loss: Any, target: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return the least cost of one row of probabilities for all, as softmax gives, and that of equal ones."""

    def cost(row: np.ndarray) -> float:
        return float(loss(np.broadcast_to(row, target.shape).copy(), target, weight))

    classes = target.shape[1]
    equal = np.full(classes, 1.0 / classes)
    p, rate = weight @ target / weight.sum(), float(classes)
    p = 0.999 * p + 0.001 / classes
    for _ in range(_STEPS):
        slope = loss.gradient(np.broadcast_to(p, target.shape).copy(), target, weight).sum(0)
        moved = p * np.exp(rate * (slope.min() - slope))
        moved /= moved.sum()
        p, rate = (moved, 1.5 * rate) if cost(moved) < cost(p) else (p, rate / 2)
    frequencies = weight @ target / weight.sum()
    return min(map(cost, [*np.eye(classes), frequencies, p])), cost(equal)
