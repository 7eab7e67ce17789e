"""Losses against the probability of the true class: δ is the derivative by the logit."""

import losses_under_test as under
import numpy as np
import pytest

import amiss
from amiss.core.errors import ParameterError
from amiss.plot import draw_by_probability
from amiss.plot.slices import slice_of, terms


def at(panel, number, x):
    """Return a drawn line at x."""
    line = panel.get_legend_handles_labels()[0][number]
    known = ~np.isnan(line.get_ydata())
    return np.interp(x, line.get_xdata()[known], line.get_ydata()[known])


def fits(loss):
    """Return whether a loss can be read as one of a probability."""
    one = slice_of(loss)
    return one.labels or (one.kind == "number" and terms(loss)[0].target_domain.everything)


@pytest.mark.parametrize("loss", [loss for loss in under.few() if fits(loss)], ids=under.name)
def test_delta_is_the_slope_of_the_value_along_the_logit(loss):
    value, delta = draw_by_probability(loss, against="logit", span=(-3.0, 3.0))
    x, y = value.lines[0].get_data()
    slopes = (y[2:] - y[:-2]) / (x[2:] - x[:-2])
    drawn = at(delta, 0, x[1:-1])
    rough = np.abs(np.gradient(drawn)) > 0.05 * max(1.0, np.ptp(drawn))  # at a jump there is no slope
    smooth = ~(rough | np.roll(rough, 1) | np.roll(rough, -1))
    assert smooth.mean() > 0.9
    np.testing.assert_allclose(drawn[smooth], slopes[smooth], rtol=2e-3, atol=2e-3 * (1 + np.ptp(drawn)))


@pytest.mark.parametrize(
    "loss", [amiss.CrossEntropy(), amiss.BinaryCrossEntropy(), amiss.CrossEntropy(input="probabilities")]
)
def test_delta_of_cross_entropy_is_p_minus_1(loss):
    p = np.linspace(0.01, 0.99, 9)
    _, delta = draw_by_probability(loss)
    np.testing.assert_allclose(at(delta, 0, p), p - 1.0, atol=1e-4)


def test_delta_of_half_a_square_is_that_of_cross_entropy_only_without_a_sigmoid():
    p = np.linspace(0.01, 0.99, 9)
    _, delta = draw_by_probability([amiss.CrossEntropy(), 0.5 * amiss.SquaredError()])
    np.testing.assert_allclose(at(delta, 2, p), at(delta, 0, p), atol=1e-4)
    np.testing.assert_allclose(at(delta, 1, p), (p - 1.0) * p * (1.0 - p), atol=1e-4)


def test_the_gradient_of_a_square_vanishes_through_a_sigmoid_where_it_is_surely_wrong():
    _, delta = draw_by_probability([amiss.BinaryCrossEntropy(), amiss.SquaredError()], against="logit")
    assert at(delta, 0, -8.0) < -0.99
    assert abs(at(delta, 1, -8.0)) < 1e-3


@pytest.mark.parametrize("against", ["probability", "logit"])
def test_losses_over_classes_and_over_a_label_agree(against):
    value, delta = draw_by_probability([amiss.CrossEntropy(), amiss.BinaryCrossEntropy()], against=against)
    for panel in (value, delta):
        first, second = (line.get_ydata() for line in panel.lines[:2])
        np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)


def test_p_is_the_probability_of_the_true_class_of_however_many():
    many = amiss.CrossEntropy(class_weight=(1.0, 1.0, 1.0, 1.0))
    p = np.linspace(0.05, 0.95, 7)
    value, delta = draw_by_probability(many)
    np.testing.assert_allclose(at(value, 0, p), -np.log(p), atol=1e-4)
    np.testing.assert_allclose(at(delta, 0, p), p - 1.0, atol=1e-4)


def test_the_jump_of_a_hinge_lies_where_its_margin_is():
    _, delta = draw_by_probability(amiss.Hinge())
    rings = delta.lines[1]
    np.testing.assert_allclose(rings.get_xdata(), 1 / (1 + np.exp(-1.0)), atol=1e-9)
    assert rings.get_ydata().tolist() == [-1.0, 0.0]


def test_an_infinite_loss_leaves_the_picture():
    value, _ = draw_by_probability(amiss.CrossEntropy())
    assert value.lines[0].get_ydata().max() > 14
    assert value.get_ylim()[1] < 8


@pytest.mark.parametrize("loss", [amiss.Poisson(), amiss.CosineDistance()], ids=under.name)
def test_other_losses_are_refused(loss):
    with pytest.raises(ParameterError, match="must be a loss for classes, labels or real numbers"):
        draw_by_probability(loss)


def test_probabilities_end_at_0_and_1():
    with pytest.raises(ParameterError, match=r"must lie in \[0, 1\]"):
        draw_by_probability(amiss.CrossEntropy(), span=(0, 2))
