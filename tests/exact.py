"""The distance of computed numbers from exact ones, in units of the last place."""

import numpy as np
from losses_under_test import K, has_labels, items_of, members, numeric, replaced

from amiss.arrays.precise import PreciseNamespace
from amiss.core import RowLoss

QUANTITIES = ("value", "gradient", "hessian")


def in_dtype(loss, dtype):
    """Return the loss whose numeric parameters are those that a dtype can hold."""
    return replaced(loss, **{key: float(dtype(getattr(loss, key))) for key in numeric(loss)})


TAILS = np.array([0.0, 1e-30, 1e-7, 1e-3, 0.5, 1.0, 12.0, 15.0, 17.0, 36.0, 37.0, 60.0, 88.0, 700.0, 1e3])
"""Sizes of logits at which naive formulas lose digits: 17 in float32, 37 in float64; 88 and 700 underflow."""


def predictions(loss, dtype, rng):
    """Return ordinary predictions of a loss and those where formulas lose digits, as numbers or rows."""
    domain, info = loss.prediction_domain, np.finfo(dtype)
    if np.isfinite(domain.low):  # probabilities
        near = np.array([info.tiny, 1e-30, 1e-7, info.epsneg, 0.01, 0.3, 0.5])
        single = np.concatenate([near, 1.0 - near[3:], rng.uniform(size=12)])
    else:
        random = np.concatenate([rng.normal(scale=3.0, size=12), rng.normal(scale=30.0, size=12)])
        single = np.concatenate([TAILS, -TAILS, [info.tiny], random])
        single = single if np.isinf(domain.high) else domain.high - np.abs(single[len(TAILS) :])
    if not isinstance(loss, RowLoss):
        return single.astype(dtype)
    rows = rng.permuted(np.tile(single, (K, 1)), axis=1).T
    if np.isinf(domain.high):
        shifted = rows[:15] + rng.choice([1.0, 1e3], (15, 1))
        ties = [[0.0] * K, [1.0] * (K - 1) + [0.0]]
        rows = np.concatenate([rows, shifted, ties])
    return rows.astype(dtype)


def pairs(loss, dtype, seed=0):
    """Return predictions with certain and with soft targets, and which rows have certain ones."""
    rng = np.random.default_rng(seed)
    prediction = predictions(loss, dtype, rng)
    if isinstance(loss, RowLoss):
        targets = [np.eye(K)[np.full(len(prediction), k)] for k in range(K)]
        soft = rng.dirichlet(np.ones(K), len(prediction)).astype(dtype)
        certain = [True] * K + [False]
        targets.append(soft)
    elif members(loss):
        targets = [np.full(prediction.shape, member) for member in members(loss)]
        certain = [True] * len(targets)
    elif has_labels(loss):
        soft = rng.uniform(size=prediction.shape)
        targets, certain = [np.zeros(prediction.shape), np.ones(prediction.shape), soft], [True, True, False]
    else:
        prediction = np.concatenate([prediction, np.array([1e15, -1e15, 1e30, -1e30], dtype)])
        steps = 4 * np.finfo(dtype).eps * rng.integers(-3, 3, prediction.shape)
        targets = [
            np.zeros(prediction.shape),
            prediction * (1 + steps),
            prediction + rng.normal(size=prediction.shape),
        ]
        certain = [True] * len(targets)
    sure = np.concatenate([np.full(len(prediction), c) for c in certain])
    return np.concatenate([prediction] * len(targets)), np.concatenate(targets).astype(dtype), sure


def exact(loss, quantity, prediction, target, sure, digits=400):
    """Return exact results, and the size that errors are measured against where two terms are subtracted.

    The gradient of a probability target is a difference, p - t, whose terms are rounded before they meet:
    its error is counted in units of the larger term, which is the gradient at the worst certain target.
    Everything else is counted in units of the exact result.
    """
    xp = PreciseNamespace(digits)
    prediction, target = xp.array(prediction), xp.array(target)
    truth = apply(loss, quantity, xp, prediction, target)
    scale = np.zeros(truth.shape)
    if quantity == "gradient" and has_labels(loss) and not members(loss):
        terms = [abs(loss._gradient(xp, prediction, xp.array(t))) for t in certain_targets(loss, prediction)]
        mixed = ~sure | (getattr(loss, "label_smoothing", 0.0) > 0)
        scale = np.max(terms, axis=0) * (mixed[:, None] if isinstance(loss, RowLoss) else mixed)
    return truth, scale


def apply(loss, quantity, xp, prediction, target):
    """Return a quantity of each item by its formula on any namespace."""
    if quantity == "value":
        return items_of(loss, xp, prediction, target)
    return getattr(loss, f"_{quantity}")(xp, prediction, target)


def certain_targets(loss, prediction):
    """Return every certain target, each in the shape of the predictions."""
    if isinstance(loss, RowLoss):
        return [np.broadcast_to(row, prediction.shape) for row in np.eye(K)]
    ends = (loss.target_domain.low, loss.target_domain.high)
    return [np.full(prediction.shape, end) for end in members(loss) or ends]


def ulps(computed, truth, scale):
    """Return the errors in units of the last place of the larger of the exact result and `scale`."""
    dtype = computed.dtype.type
    largest = float(np.finfo(dtype).max)

    def one(got, true, size):
        if abs(true) > largest or not np.isfinite(
            got
        ):  # only what overflows is infinite, with the right sign
            rightly = abs(true) > largest * (1 - 2.0**-20) and np.isinf(got) and (got > 0) == (true > 0)
            return 0.0 if rightly else np.inf
        unit = float(np.spacing(dtype(min(max(abs(true), size), largest / 2))))
        return float(abs(true - true.context.mpf(float(got))) / unit)

    return np.frompyfunc(one, 3, 1)(computed, truth, scale).astype(float)
