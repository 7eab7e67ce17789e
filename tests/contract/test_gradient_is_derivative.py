"""The gradient formula is the derivative of the value formula.

SymPy proves it for all parameters at once, region by region between the kinks; mpmath's difference quotients
confirm it with the parameters' own numbers.
"""

import numpy as np
import pytest
from losses_under_test import (
    SETTINGS,
    cases,
    draw,
    formula,
    items_of,
    name,
    replaced,
    single_places,
    variants,
)
from symbolic_proof import Symbolic, check_derivatives

from amiss.arrays.precise import PreciseNamespace

TOO_LARGE = {"Dice()"}
"""Losses whose symbols are too many: the difference quotients of 80 digits decide."""

WITH_SETTINGS = [
    replaced(loss, **{key: value})
    for loss in variants()
    for key, value in SETTINGS.items()
    if key in loss.parameters()
]

LEFT_TO_DIGITS = {"LogCosh()", "BinaryFocal()", "CosineDistance()", "Dice(input=probabilities)"}
"""Losses of which SymPy cannot decide every region in seconds: 50 digits at random points decide."""


@pytest.mark.parametrize(
    "loss", [x for x in (*variants(), *WITH_SETTINGS) if name(x) not in TOO_LARGE], ids=name
)
def test_sympy_proves_the_gradient_in_every_region(loss):
    symbolic = Symbolic(loss)
    claims = zip(symbolic.prediction.flat, symbolic.gradient.flat, strict=True)
    prove = name(loss) not in LEFT_TO_DIGITS
    decided = check_derivatives(symbolic, [(symbolic.value, x, slope) for x, slope in claims], prove)
    assert decided == ({"proof"} if prove else {"50 digits"})


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_difference_quotients_of_80_digits_converge_to_the_gradient(loss):
    xp, step = PreciseNamespace(digits=80), 1e-30
    prediction, target = (xp.array(x) for x in draw(loss, (6,)))
    gradient = formula(loss, "gradient", xp, prediction, target)
    for entry in single_places(loss, prediction.shape):
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
        check_derivatives(symbolic, [(symbolic.value, symbolic.prediction[0], symbolic.gradient[0])])
