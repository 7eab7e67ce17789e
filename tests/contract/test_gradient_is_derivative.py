"""The gradient formula is the derivative of the value formula.

SymPy proves it for all parameters at once, region by region between the kinks; mpmath's difference quotients
confirm it with the parameters' own numbers.
"""

import numpy as np
import pytest
from losses_under_test import SETTINGS, K, cases, draw, entries, items_of, name, replaced, variants
from symbolic_proof import Symbolic, check_derivatives

from amiss.arrays.precise import PreciseNamespace
from amiss.core import RowLoss

WITH_SETTINGS = [
    replaced(loss, **{key: value})
    for loss in variants()
    for key, value in SETTINGS.items()
    if key in loss.parameters()
]

LEFT_TO_DIGITS = {"LogCosh()"}
"""Losses of which SymPy cannot decide every region, so that 50 digits at random points decide."""


@pytest.mark.parametrize("loss", [*variants(), *WITH_SETTINGS], ids=name)
def test_sympy_proves_the_gradient_in_every_region(loss):
    symbolic = Symbolic(loss)
    if isinstance(loss, RowLoss):
        claims = [(symbolic.value[0], symbolic.prediction[k], symbolic.gradient[k]) for k in range(K)]
    else:
        claims = [(symbolic.value, symbolic.prediction, symbolic.gradient)]
    decided = check_derivatives(symbolic, claims)
    assert decided == {"proof"} or name(loss) in LEFT_TO_DIGITS


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_difference_quotients_of_80_digits_converge_to_the_gradient(loss):
    xp, step = PreciseNamespace(digits=80), 1e-25
    prediction, target = (xp.array(x) for x in draw(loss, (6,)))
    gradient = loss._gradient(xp, prediction, target)
    for entry in entries(loss):
        push = np.zeros(prediction.shape)
        push[entry] = step
        above = items_of(loss, xp, prediction + xp.array(push), target)
        below = items_of(loss, xp, prediction - xp.array(push), target)
        quotient = (above - below) / (2 * xp.number(step))
        assert np.all(abs(quotient - gradient[entry]) < 1e-40)


def test_a_wrong_gradient_is_found():
    from amiss import Huber

    class Wrong(Huber):
        def _gradient(self, xp, prediction, target):
            return xp.clip(prediction - target, -self.delta, 2.0 * self.delta)

    symbolic = Symbolic(Wrong())
    with pytest.raises(AssertionError, match="d/dz"):
        check_derivatives(symbolic, [(symbolic.value, symbolic.prediction, symbolic.gradient)])
