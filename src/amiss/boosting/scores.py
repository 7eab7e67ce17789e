"""Raw scores: where they start, what they mean, and the targets that a loss compares them with."""

from typing import Any

import numpy as np

from amiss.arrays import namespace_of
from amiss.boosting.losses import name_of, over_classes, over_rows, terms
from amiss.core import Loss
from amiss.core.baselines import SATURATED, baseline
from amiss.core.errors import DomainError, ShapeError

__all__ = ["as_target", "initial_score", "inverse_link"]


def initial_score(loss: Loss, target: Any, weight: Any = None) -> Any:
    """Return the best constant score, from which trees start: a number, or a row with one for each class.

    Args:
        loss: a loss of raw scores.
        target: one number or class index for each row.
        weight: one number for each row, or None.

    Notes:
        A class that never occurs starts at a score of -36, not at -inf. A sum of losses starts at the best of
        the constants that its terms want.

    Examples:
        >>> import amiss
        >>> initial_score(amiss.SquaredError(), [1.0, 2.0, 6.0])  # the mean
        3.0
        >>> round(initial_score(amiss.BinaryCrossEntropy(), [0, 1, 1, 1]), 6)  # ln 3
        1.098612
    """
    target = np.asarray(target)
    if over_classes(loss):
        target = _indices(loss, target)
    constants = [np.clip(baseline(term, target, weight).constant, *_range(term)) for term in terms(loss)]
    best = (
        constants[0] if len(constants) == 1 else min(constants, key=lambda c: _cost(loss, c, target, weight))
    )
    return best if np.ndim(best) else float(best)


def _range(term: Loss) -> tuple[float, float]:
    return (-np.inf, np.inf) if term.facts.link == "identity" else (-SATURATED, SATURATED)


def _cost(loss: Loss, constant: Any, target: np.ndarray, weight: Any) -> float:
    shape = (len(target), *np.shape(constant))
    return float(loss(np.broadcast_to(constant, shape), target, weight))


def inverse_link(loss: Loss, score: Any) -> Any:
    """Return what raw scores mean: a mean, a rate, a probability, or a row with one for each class.

    Examples:
        >>> import amiss
        >>> inverse_link(amiss.BinaryCrossEntropy(), [0.0]), inverse_link(amiss.Poisson(), [0.0])
        (array([0.5]), array([1.]))
    """
    score = np.asarray(score)
    xp = namespace_of(score)
    links = {"logit": xp.sigmoid, "softmax": xp.softmax, "log": xp.exp}
    return links.get(loss.facts.link, lambda same: same)(score)


def as_target(loss: Loss, score: np.ndarray, target: Any) -> np.ndarray:
    """Return the labels that a booster stores as floating-point numbers as the loss takes them.

    Raises:
        ShapeError: a loss of classes got one score for each row.
        DomainError: a class index is not a whole number.
    """
    target = np.asarray(target)
    if over_rows(loss) and np.ndim(score) < 2:
        raise ShapeError(
            f"{name_of(loss)}: scores must have one column for each class; got shape {np.shape(score)}. Set "
            "the number of classes in the booster's parameters."
        )
    if target.shape != score.shape and target.size == score.size:
        return target.reshape(score.shape)
    if over_classes(loss) and target.ndim < np.ndim(score):
        return _indices(loss, target)
    return target


def _indices(loss: Loss, target: np.ndarray) -> np.ndarray:
    """Return class indices as whole numbers."""
    if target.dtype.kind != "f":
        return target
    with np.errstate(invalid="ignore"):
        index = target.astype(np.int64)
    if not np.array_equal(index, target):
        first = int(np.argmax(index != target))
        raise DomainError(
            f"{name_of(loss)}: target must hold class indices 0, 1, ...; got {target[first]} in row {first}. "
            "Number the classes from 0."
        )
    return index
