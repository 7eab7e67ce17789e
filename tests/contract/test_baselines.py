"""The best constant prediction is no worse than any other, for every loss."""

import math

import numpy as np
import pytest
from losses_under_test import distributions, draw, hard, has_labels, integers, name, variants

import amiss
from amiss.core.items import ClassItems, RowItems
from amiss.explain import Baseline, baseline

LOSSES = [loss for loss in variants() if hasattr(type(loss), "parameters")]


def target_for(loss, items=61, seed=0):
    return hard(loss, (items,)) if has_labels(loss) else draw(loss, (items,), seed)[1]


def cost(loss, target, constant, weight=None):
    return float(loss(np.broadcast_to(constant, target.shape), target, weight))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES, ids=name)
def test_no_other_constant_is_better(loss, weighted):
    target = target_for(loss)
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.1, 2.0, len(target)) if weighted else None
    found = baseline(loss, target, weight)
    assert found.value == pytest.approx(cost(loss, target, found.constant, weight), rel=1e-12)
    others = distributions(loss, draw(loss, (400,), seed=1)[0])
    for other, power in zip(others, rng.integers(0, 4, 400), strict=True):
        beside = mixed(loss, found.constant, other, 10.0**-power)
        assert cost(loss, target, beside, weight) >= found.value - 1e-12 * (1 + abs(found.value)), beside


def mixed(loss, best, other, share):
    """Return a prediction between two others: of rows of probabilities one whose sum is 1 too."""
    if getattr(loss, "input", "") == "log_probabilities":
        return np.log((1 - share) * np.exp(best) + share * np.exp(other) / np.exp(other).sum())
    return best + share * (other - best)


@pytest.mark.parametrize(
    ("loss", "target", "constant", "value", "start"),
    [
        (amiss.SquaredError(), [1, 2, 6], 3.0, 14 / 3, 41 / 3),
        (amiss.RootMeanSquaredError(), [1, 2, 6], 3.0, math.sqrt(14 / 3), math.sqrt(41 / 3)),
        (amiss.AbsoluteError(), [1, 2, 6], 2.0, 5 / 3, 3.0),
        (amiss.AbsoluteError(), [1, 2, 6, 8], 4.0, 11 / 4, 17 / 4),  # all of [2, 6]: the middle
        (amiss.Pinball(0.25), [0, 1, 2, 3, 4], 1.0, (0.75 + 0.25 * 6) / 5, 2.5 * 0.25 * 4 / 5),
        (amiss.BinaryCrossEntropy(), [0, 1, 1, 1], math.log(3), None, math.log(2)),
        (amiss.BinaryCrossEntropy("probabilities"), [0, 1, 1, 1], 0.75, None, math.log(2)),
        (amiss.BinaryCrossEntropy(), [1, 1], math.inf, 0.0, math.log(2)),
        (amiss.BinaryCrossEntropy("probabilities"), [0, 0], 0.0, 0.0, math.log(2)),
        (amiss.BinaryFocal(), [0, 0], -math.inf, 0.0, math.log(2) / 4),
        (amiss.Hinge(), [1, 1, -1], 1.0, 2 / 3, 1.0),
        (amiss.Hinge(), [1, -1], 0.0, 1.0, 1.0),
        (amiss.Poisson(), [0, 1, 5], math.log(2), None, 1.0),
        (amiss.Poisson(), [0, 0], -math.inf, 0.0, 1.0),
    ],
    ids=str,
)
def test_constants_computed_by_hand(loss, target, constant, value, start):
    found = baseline(loss, target)
    assert found.constant == pytest.approx(constant, rel=1e-12, abs=1e-12)
    if value is not None:
        assert found.value == pytest.approx(value, rel=1e-12, abs=1e-12)
    assert found.start == pytest.approx(start, rel=1e-12)


def test_rows_computed_by_hand():
    found = baseline(amiss.CrossEntropy(ignore_index=-1), [0, 1, 1, 1, -1])
    np.testing.assert_allclose(np.exp(found.constant), [0.25, 0.75])
    assert found.value == pytest.approx(-(math.log(0.25) + 3 * math.log(0.75)) / 4)
    assert found.start == pytest.approx(math.log(2))
    found = baseline(amiss.CrossEntropy(), [0, 2, 2])  # class 1 is nowhere
    assert found.constant[1] == -math.inf
    assert found.value == pytest.approx(-(math.log(1 / 3) + 2 * math.log(2 / 3)) / 3)
    assert baseline(amiss.CrossEntropy("log_probabilities"), [0, 2, 2]).start == pytest.approx(math.log(3))
    found = baseline(amiss.CosineDistance(), [[2.0, 0.0], [0.0, 5.0]])
    np.testing.assert_allclose(found.constant, [0.5**0.5] * 2)


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if isinstance(loss, ClassItems)], ids=name)
def test_class_indices_and_their_rows_have_one_baseline(loss):
    index = integers(loss, (40,))
    by_index = baseline(loss, index)
    rows = np.eye(len(by_index.constant))[index]
    by_rows = baseline(loss, rows)
    np.testing.assert_allclose(by_index.constant, by_rows.constant, rtol=1e-12)
    assert by_index.value == pytest.approx(by_rows.value, rel=1e-12)


def test_weights_are_taken_as_the_loss_takes_them():
    target = np.array([[1.0, 3.0], [5.0, 11.0]])
    assert baseline(amiss.SquaredError(), target, [3.0, 1.0]).constant == (3 * 4 + 16) / 8  # one per row
    for loss, labels in ((amiss.SquaredError(), [1.0, 2.0]), (amiss.CrossEntropy(), [0, 1])):
        with pytest.raises(amiss.ShapeError, match="weight"):
            baseline(loss, labels, [1.0, 2.0, 3.0])
        assert math.isnan(baseline(loss, labels, [0.0, 0.0]).value)


def test_nan_in_a_target_makes_everything_nan():
    for loss in (amiss.SquaredError(), amiss.Huber()):
        found = baseline(loss, [1.0, math.nan])
        assert all(map(math.isnan, (found.constant, found.value, found.start)))


def test_other_axes_hold_the_classes():
    index = np.random.default_rng(0).integers(0, 3, (5, 4))
    rows = np.moveaxis(np.eye(3)[index], -1, 1)
    here, there = baseline(amiss.CrossEntropy(), index), baseline(amiss.CrossEntropy(axis=1), rows)
    np.testing.assert_array_equal(here.constant, there.constant)


@pytest.mark.parametrize(
    ("loss", "target", "error"),
    [
        (amiss.SquaredError() + amiss.AbsoluteError(), [1.0], amiss.ParameterError),
        ("mse", [1.0], amiss.ParameterError),
        (amiss.SquaredError, [1.0], amiss.ParameterError),
        (amiss.SquaredError(), [], amiss.ShapeError),
        (amiss.CrossEntropy(ignore_index=0), [0, 0], amiss.ShapeError),
        (amiss.BinaryCrossEntropy(), [2.0], amiss.DomainError),
        (amiss.CrossEntropy(), [0, -1], amiss.DomainError),
        (amiss.SquaredError(), ["a"], amiss.DTypeError),
    ],
    ids=str,
)
def test_what_has_no_baseline_says_why(loss, target, error):
    with pytest.raises(error):
        baseline(loss, target)


def test_it_is_there_by_its_public_name():
    assert amiss.baseline is baseline
    assert isinstance(baseline(amiss.SquaredError(), [1.0]), Baseline)
    assert all(isinstance(loss, amiss.Loss) for loss in LOSSES if isinstance(loss, RowItems))
