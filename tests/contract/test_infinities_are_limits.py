"""At an infinite prediction a loss has its limit, on every array library; nothing is 0 * inf."""

import numpy as np
import pytest
from losses_under_test import LIBRARIES, K, array, draw, elementwise, hard, name, numbers, rows, variants

FAR = 1e290
"""A prediction beyond which nothing changes but what grows without end."""

UNBOUNDED = [loss for loss in variants() if loss.prediction_domain.everything]


def limit(far):
    """Return what results at FAR tend to: what grows with the prediction is infinite, what shrinks is 0."""
    grown = np.where(np.abs(far) > 1e280, np.copysign(np.inf, far), far)
    return np.where(np.abs(far) < 1e-280, 0.0, grown)


def assert_limits(loss, library, far, infinite, target):
    target = array(library, target)
    for method in (loss, loss.gradient, loss.hessian):
        expected = limit(numbers(method(array(library, far), target, reduction="none")))
        found = numbers(method(array(library, infinite), target, reduction="none"))
        np.testing.assert_allclose(
            found, expected, rtol=1e-14, err_msg=method.__name__ if method != loss else "value"
        )


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", elementwise(UNBOUNDED), ids=name)
def test_a_number_at_infinity(loss, library):
    certain, soft = np.unique(hard(loss, (20,)))[:3], draw(loss, (3,))[1]
    for target in (certain, soft):
        for sign in (1.0, -1.0):
            far = np.full(target.shape, sign * FAR)
            assert_limits(loss, library, far, far * np.inf, target)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", rows(UNBOUNDED), ids=name)
def test_a_row_with_an_infinite_score(loss, library):
    soft = draw(loss, (1,))[1]
    for target in (*np.eye(K)[:, None], soft, np.array([[0.5, 0.5, 0.0]])):
        for scores in ([-1.0, 0.3, 0.1], [0.3, -1.0, -1.0], [0.2, 0.1, 1.0], [1.0, 0.5, -1.0]):
            row = np.array([scores])
            infinite = np.abs(row) == 1.0
            far = np.where(infinite, row * FAR, row)
            assert_limits(loss, library, far, np.where(infinite, row * np.inf, row), target)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_masked_class_costs_nothing(library):
    # -inf is how a class is forbidden: its probability is 0, and it takes no part in anything.
    from amiss import CrossEntropy

    masked = array(library, np.array([[0.3, -np.inf, 1.1]]))
    for target in (np.array([2]), np.array([[0.0, 0.0, 1.0]])):
        value, gradient = CrossEntropy().value_and_gradient(masked, array(library, target))
        expected = CrossEntropy().value_and_gradient(np.array([[0.3, 1.1]]), np.array([1]))
        np.testing.assert_allclose(numbers(value), expected[0], rtol=1e-14)
        np.testing.assert_allclose(numbers(gradient)[:, [0, 2]], expected[1], rtol=1e-14)
        assert numbers(gradient)[0, 1] == 0.0


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("domain_end", [0.0, 1.0])
def test_a_probability_of_exactly_0_or_1(library, domain_end):
    from amiss import BinaryCrossEntropy, CrossEntropy

    p = array(library, np.array([domain_end]))
    loss = BinaryCrossEntropy(input="probabilities")
    right, wrong = array(library, np.array([domain_end])), array(library, np.array([1.0 - domain_end]))
    assert numbers(loss(p, right)) == 0.0
    assert numbers(loss(p, wrong)) == np.inf
    assert numbers(loss.gradient(p, wrong))[0] == (-np.inf if domain_end == 0.0 else np.inf)
    assert numbers(loss.gradient(p, right))[0] == (1.0 if domain_end == 0.0 else -1.0)
    row = array(library, np.array([[domain_end, 1.0 - domain_end, 0.0]]))
    rows_loss = CrossEntropy(input="probabilities")
    assert numbers(rows_loss(row, array(library, np.array([0 if domain_end else 1])))) == 0.0
    assert numbers(rows_loss(row, array(library, np.array([2])))) == np.inf
