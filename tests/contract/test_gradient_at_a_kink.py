"""Where a loss has a kink, the gradient lies between the slopes on its two sides and is the same everywhere.

Kinks are looked for, by long numbers just below and just above, where parameters and targets put them.
"""

import numpy as np
import pytest
from exact import in_dtype, oracle
from exactness import DTYPES, LENGTH, portable
from losses_under_test import LIBRARIES, array, cases, elementwise, hard, name, numbers, numeric, rows

from amiss.core import RowLoss

SMOOTH_INSIDE = (
    "everywhere",
    "not at probabilities 0 and 1",
    "not at probability 0",
    "not at rate 0",
    "not at a vector of zeros",
)
"""What a loss says of itself that has no kink of one number between the ends of its predictions."""

STEP = "1e-60"


def candidates(loss, target):
    """Return predictions where a kink may be: the target, the parameters, and what they make together."""
    places = [target, 1.0 - target]
    for key in numeric(loss):
        parameter = getattr(loss, key)
        places += [parameter, 1.0 - parameter, parameter * target, target - parameter, target + parameter]
    places, domain = np.unique(places), loss.prediction_domain
    return places[domain.contains(places) & (places != domain.low) & (places != domain.high)]


def points(loss, dtype):
    """Return the candidates with their targets, as numbers or as rows whose first number is one."""
    if isinstance(loss, RowLoss):
        first = candidates(loss, 1.0).astype(dtype)
        rest = np.full(len(first), 0.3, dtype)
        return np.stack([first, rest, rest], axis=-1), np.tile(
            np.array([1.0, 0.0, 0.0], dtype), (len(first), 1)
        )
    found = [(place, t) for t in np.unique(hard(loss, (8,))) for place in candidates(loss, t)]
    return tuple(np.array(found, dtype).reshape(-1, 2).T)


def slopes(loss, prediction, target):
    """Return the exact gradients a little below and a little above each prediction."""
    xp = oracle(400)
    step = xp.context.mpf(STEP) * (np.eye(3)[0] if isinstance(loss, RowLoss) else 1)
    exact, target = xp.array(prediction), xp.array(target)
    sides = [loss._gradient(xp, exact - step, target), loss._gradient(xp, exact + step, target)]
    return [side[:, 0] if isinstance(loss, RowLoss) else side for side in sides]


def kinks(loss, dtype):
    """Return predictions and targets at which the gradient jumps, with the slopes on both sides."""
    prediction, target = points(loss, dtype)
    below, above = slopes(loss, prediction, target)
    jump = np.array([abs(b - a) > 1e-30 * (1 + abs(a)) for a, b in zip(below, above, strict=True)], bool)
    return prediction[jump], target[jump], below[jump].astype(float), above[jump].astype(float)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", [*elementwise(cases()), *rows(cases())], ids=name)
def test_the_gradient_lies_between_both_slopes_and_has_the_same_bits_everywhere(loss, dtype):
    loss = in_dtype(loss, dtype)
    prediction, target, below, above = kinks(loss, dtype)
    assert (len(prediction) > 0) == (loss.facts.differentiable not in SMOOTH_INSIDE)
    if len(prediction) == 0:
        return
    formula = portable("numpy", loss, "gradient", prediction, target)
    at = formula[:, 0] if isinstance(loss, RowLoss) else formula
    room = 4 * np.finfo(dtype).eps * np.maximum(np.abs(below), np.abs(above))  # of rounding
    assert np.all(np.minimum(below, above) - room <= at)
    assert np.all(at <= np.maximum(below, above) + room)
    shape = (LENGTH, *prediction.shape[1:])  # one for all losses: JAX compiles for each
    for library in LIBRARIES:
        x, t = (array(library, np.resize(y, shape)) for y in (prediction, target))
        found = numbers(loss.gradient(x, t, reduction="none"))
        np.testing.assert_array_equal(found, np.resize(formula, shape))
