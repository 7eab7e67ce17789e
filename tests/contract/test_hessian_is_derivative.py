"""The Hessian formulas are the derivatives of the gradient formula.

`_hessian` is the diagonal and `_hessian_product` the whole second derivative times a direction: what a row
couples must be in the second and not in the first.
"""

import numpy as np
import pytest
import sympy
from losses_under_test import K, cases, draw, entries, name, rows, variants
from symbolic_proof import Symbolic, check_derivatives

from amiss.arrays.precise import PreciseNamespace
from amiss.core import RowLoss

LEFT_TO_DIGITS = {"LogCosh()", "SquaredHinge()"}
"""Losses of which SymPy cannot decide every region, so that 50 digits at random points decide."""


@pytest.mark.parametrize("loss", variants(), ids=name)
def test_sympy_proves_the_diagonal_in_every_region(loss):
    symbolic = Symbolic(loss)
    if isinstance(loss, RowLoss):
        claims = zip(symbolic.gradient, symbolic.prediction, symbolic.hessian, strict=True)
    else:
        claims = [(symbolic.gradient, symbolic.prediction, symbolic.hessian)]
    decided = check_derivatives(symbolic, claims)
    assert decided == {"proof"} or name(loss) in LEFT_TO_DIGITS


@pytest.mark.parametrize("loss", rows(variants()), ids=name)
def test_sympy_proves_every_entry_of_a_rows_hessian(loss):
    symbolic = Symbolic(loss)
    directions = [{v: int(j == k) for j, v in enumerate(symbolic.direction)} for k in range(K)]
    claims = [
        (symbolic.gradient[i], symbolic.prediction[j], sympy.sympify(symbolic.product[i]).subs(directions[j]))
        for i in range(K)
        for j in range(K)
    ]
    decided = check_derivatives(symbolic, claims)
    assert decided == {"proof"} or name(loss) in LEFT_TO_DIGITS


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_difference_quotients_of_80_digits_converge_to_the_hessian_product(loss):
    xp, step = PreciseNamespace(digits=80), 1e-25
    prediction, target = (xp.array(x) for x in draw(loss, (6,)))
    direction = xp.array(np.random.default_rng(1).normal(size=prediction.shape))
    push = xp.number(step) * direction
    above = loss._gradient(xp, prediction + push, target)
    below = loss._gradient(xp, prediction - push, target)
    quotient = (above - below) / (2 * xp.number(step))
    assert np.all(abs(quotient - loss._hessian_product(xp, prediction, target, direction)) < 1e-40)


@pytest.mark.parametrize("loss", cases(), ids=name)
def test_the_diagonal_is_that_of_the_hessian_product(loss):
    prediction, target = draw(loss, (4,))
    expected = loss.hessian(prediction, target)
    found = np.empty_like(expected)
    for entry in entries(loss):
        direction = np.zeros_like(prediction)
        direction[entry] = 1.0
        found[entry] = loss.hessian_product(prediction, target, direction)[entry]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-16)
