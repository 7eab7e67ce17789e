"""The Hessian formulas are the derivatives of the gradient formula.

`_hessian` is the diagonal and `_hessian_product` the whole second derivative times a direction: what a row
couples must be in the second and not in the first.
"""

import numpy as np
import pytest
import sympy
from losses_under_test import cases, draw, formula, is_batch, is_row, name, single_places, variants
from symbolic_proof import Symbolic, check_derivatives

from amiss.arrays.precise import PreciseNamespace

LEFT_TO_DIGITS = {
    "LogCosh()",
    "SquaredHinge()",
    "BinaryFocal()",
    "CosineDistance()",
    "Dice(input=probabilities)",
}
"""Losses of which SymPy cannot decide every region in seconds: 50 digits at random points decide."""

TOO_LARGE = {"Dice()"}
"""Losses whose symbols are too many: the difference quotients of 80 digits decide."""

PROVED = [loss for loss in variants() if name(loss) not in TOO_LARGE]


@pytest.mark.parametrize("loss", PROVED, ids=name)
def test_sympy_proves_the_diagonal_in_every_region(loss):
    symbolic = Symbolic(loss)
    claims = zip(symbolic.gradient.flat, symbolic.prediction.flat, symbolic.hessian.flat, strict=True)
    prove = name(loss) not in LEFT_TO_DIGITS
    decided = check_derivatives(symbolic, claims, prove)
    assert decided == ({"proof"} if prove else {"50 digits"})


@pytest.mark.parametrize("loss", [x for x in PROVED if is_row(x) or is_batch(x)], ids=name)
def test_sympy_proves_every_entry_of_a_coupled_hessian(loss):
    symbolic = Symbolic(loss)
    places = list(symbolic.prediction.flat)
    directions = [{v: int(j == k) for j, v in enumerate(symbolic.direction.flat)} for k in range(len(places))]
    claims = [
        (gradient, places[j], sympy.sympify(product).subs(directions[j]))
        for gradient, product in zip(symbolic.gradient.flat, symbolic.product.flat, strict=True)
        for j in range(len(places))
    ]
    prove = name(loss) not in LEFT_TO_DIGITS
    decided = check_derivatives(symbolic, claims, prove)
    assert decided == ({"proof"} if prove else {"50 digits"})


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_difference_quotients_of_80_digits_converge_to_the_hessian_product(loss):
    xp, step = PreciseNamespace(digits=80), 1e-30
    prediction, target = (xp.array(x) for x in draw(loss, (6,)))
    direction = xp.array(np.random.default_rng(1).normal(size=prediction.shape))
    push = xp.number(step) * direction
    above = formula(loss, "gradient", xp, prediction + push, target)
    below = formula(loss, "gradient", xp, prediction - push, target)
    quotient = (above - below) / (2 * xp.number(step))
    product = formula(loss, "hessian_product", xp, prediction, target, direction)
    assert np.all(abs(quotient - product) < 1e-40)


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_the_diagonal_is_that_of_the_hessian_product(loss):
    prediction, target = draw(loss, (4,))
    expected = loss.hessian(prediction, target)
    found = np.empty_like(expected)
    for entry in single_places(loss, prediction.shape):
        direction = np.zeros_like(prediction)
        direction[entry] = 1.0
        found[entry] = loss.hessian_product(prediction, target, direction)[entry]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-16)
