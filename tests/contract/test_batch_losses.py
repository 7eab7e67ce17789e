"""A loss of a whole batch is one number, whatever its reduction is called, and as exact as the others."""

import numpy as np
import pytest
from exact import oracle
from losses_under_test import LIBRARIES, K, array, batches, cases, close, draw, formula, name, numbers

import amiss

ERRORS = np.array([3.0, 0.0, -4.0])


@pytest.mark.parametrize("loss", batches(cases()), ids=name)
def test_mean_and_sum_are_the_same_number(loss):
    prediction, target = draw(loss, (4,))
    assert loss(prediction, target, reduction="sum") == loss(prediction, target, reduction="mean")
    gradient = loss.gradient(prediction, target, reduction="sum")
    np.testing.assert_array_equal(gradient, loss.gradient(prediction, target, reduction="mean"))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("loss", batches(cases()), ids=name)
def test_value_and_gradient_are_within_8_ulp_of_the_larger_term(loss, scale, library):
    prediction, target = draw(loss, (5,), scale=scale)
    here = [array(library, x) for x in (prediction, target)]
    xp = oracle(400)
    exact = [formula(loss, q, xp, xp.array(prediction), xp.array(target)) for q in ("value", "gradient")]
    close(loss(*here), float(exact[0][0]), ulps=8)
    gradient = exact[1].astype(float)
    # Of a class's pull the mean over the classes is subtracted, whose terms are as large as that of the row.
    close(loss.gradient(*here), gradient, ulps=8, scale=np.abs(gradient).max())


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_square_of_an_error_overflows_or_vanishes(library):
    loss = amiss.RootMeanSquaredError()
    for scale in (1e-200, 1.0, 1e200):
        error = array(library, scale * ERRORS)
        close(loss(error, error * 0.0), scale * np.sqrt(25.0 / 3.0), ulps=4)
        close(loss.gradient(error, error * 0.0), ERRORS / np.sqrt(75.0), ulps=4)
    infinite = array(library, np.array([1.0, -np.inf]))
    assert numbers(loss(infinite, array(library, np.ones(2)))) == np.inf


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_error_at_all_has_a_gradient_of_zeros(library):
    same = array(library, ERRORS)
    value, gradient = amiss.RootMeanSquaredError().value_and_gradient(same, same)
    assert numbers(value) == 0.0
    assert np.all(numbers(gradient) == 0.0)
    assert np.all(numbers(amiss.RootMeanSquaredError().hessian(same, same)) == 0.0)


def test_the_overlap_is_that_of_the_textbook():
    rng = np.random.default_rng(0)
    p, index, weight = rng.dirichlet(np.ones(K), 6), rng.integers(0, K, 6), rng.uniform(size=6)
    costs = []
    for k in range(K):
        shared = sum(w * row[k] for w, row, i in zip(weight, p, index, strict=True) if i == k)
        predicted, true = np.sum(weight * p[:, k]), np.sum(weight[index == k])
        costs.append(1.0 - (2.0 * shared + 0.5) / (predicted + true + 0.5))
    expected = np.mean(costs)
    close(amiss.Dice("probabilities", smooth=0.5)(p, index, weight), expected)
    close(amiss.Dice(smooth=0.5)(np.log(p) + 3.0, index, weight), expected)
    close(amiss.Dice(smooth=0.5)(np.log(p), amiss.one_hot(index, K), weight), expected)
    close(amiss.Dice(smooth=0.5, axis=0)(np.log(p).T, index, weight), expected)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_class_that_is_nowhere_costs_nothing(library):
    p = array(library, np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    for smooth in (0.0, 1.0):
        value, gradient = amiss.Dice("probabilities", smooth=smooth).value_and_gradient(
            p, array(library, np.array([0, 1]))
        )
        assert numbers(value) == 0.0
        assert np.all(np.isfinite(numbers(gradient)))


def test_ignored_items_count_for_nothing():
    logits = np.array([[1.0, 2.0], [0.5, -1.0], [np.nan, 3.0]])
    loss = amiss.Dice(ignore_index=255)
    close(loss(logits, [0, 1, 255]), loss(logits[:2], [0, 1]))
    np.testing.assert_array_equal(loss.gradient(logits, [0, 1, 255])[2], [0.0, 0.0])


@pytest.mark.parametrize("loss", batches(cases()), ids=name)
def test_the_mean_of_totals_is_the_loss_of_all_and_not_the_mean_of_the_losses(loss):
    prediction, target = draw(loss, (6,), seed=3)
    parts = [loss.total(prediction[s], target[s]) for s in (slice(0, 1), slice(1, 6))]
    close(sum(parts).mean, loss(prediction, target))
    means = [loss(prediction[s], target[s]) for s in (slice(0, 1), slice(1, 6))]
    assert not np.isclose(np.mean(means), loss(prediction, target), rtol=1e-5)


def test_dice_and_cross_entropy_add():
    logits, index = np.array([[2.0, -1.0, 0.3], [0.1, 0.2, 3.0]]), np.array([0, 2])
    loss = 0.7 * amiss.Dice() + 0.3 * amiss.CrossEntropy()
    close(loss(logits, index), 0.7 * amiss.Dice()(logits, index) + 0.3 * amiss.CrossEntropy()(logits, index))
    close(loss.total(logits, index).mean, loss(logits, index))
