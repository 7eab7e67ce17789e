"""Value, gradient and Hessian against the prediction: the numbers drawn are those of the loss."""

import itertools

import losses_under_test as under
import numpy as np
import pytest

import amiss
from amiss.core.errors import DomainError, ParameterError
from amiss.plot import draw_losses
from amiss.plot.lines import sampled
from amiss.plot.slices import legend_of, slice_of, units_of


def points(line):
    """Return the points of a line, without the gaps of its jumps."""
    x, y = line.get_data()
    return x[~np.isnan(x)], y[~np.isnan(x)]


def test_lines_are_value_gradient_and_hessian():
    loss = amiss.LogCosh()
    panels = draw_losses(loss, target=1.0, hessian=True)
    for panel, method in zip(panels, (loss, loss.gradient, loss.hessian), strict=True):
        x, y = points(panel.lines[0])
        expected = [np.ravel(method([at], [1.0], reduction="sum"))[0] for at in x]
        np.testing.assert_array_equal(y, expected)


def test_the_error_is_prediction_minus_target():
    loss = amiss.Linex()
    value, _ = draw_losses(loss, target=3.0, against="error")
    x, y = points(value.lines[0])
    np.testing.assert_allclose(y, [float(loss([at], [0.0])) for at in x], rtol=1e-9, atol=1e-12)


def test_the_gradient_of_the_absolute_error_jumps():
    _, gradient = draw_losses(amiss.AbsoluteError())
    y = gradient.lines[0].get_ydata()
    sides = y[np.isfinite(y)]
    assert set(sides) == {-1.0, 0.0, 1.0}
    for before, after in itertools.pairwise(y):
        assert np.isnan(before) or np.isnan(after) or before == after


def test_a_jump_is_marked_with_its_limits_and_the_value_there():
    _, gradient = draw_losses(amiss.Hinge())
    rings, dot = gradient.lines[1:]
    assert rings.get_ydata().tolist() == [-1.0]
    assert (dot.get_xdata().tolist(), dot.get_ydata().tolist()) == ([1.0], [0.0])


def test_the_hessian_of_huber_jumps_at_delta():
    *_, hessian = draw_losses(amiss.Huber(delta=0.3), hessian=True)
    dots = [line for line in hessian.lines[1:] if line.get_markerfacecolor() != "white"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots] == [(-0.3, 1.0), (0.3, 1.0)]


@pytest.mark.parametrize("function", [np.tanh, np.cbrt, lambda x: np.tanh(1e5 * x), np.abs, np.exp])
def test_what_is_steep_is_no_jump(function):
    assert sampled(function, np.linspace(-2, 2, 801))[2] == ()


@pytest.mark.parametrize("place", [0.0, 0.3, 1 / 3, -1.7])
def test_a_jump_is_found_where_it_is(place):
    _, _, (jump,) = sampled(lambda x: 1.0 * (x > place), np.linspace(-2, 2, 801))
    assert jump.x == pytest.approx(place, abs=1e-11)
    assert (jump.left, jump.right) == (0.0, 1.0)


def test_points_are_in_order():
    x, _, _ = sampled(np.floor, np.linspace(-2.5, 2.5, 40))
    assert (np.diff(x[~np.isnan(x)]) >= 0).all()


@pytest.mark.parametrize("loss", under.few(), ids=under.name)
def test_every_loss_is_drawn_over_finite_numbers(loss):
    one = slice_of(loss)
    x = one.inside(41)
    assert np.isfinite([one("value", x), one("gradient", x)]).all()


@pytest.mark.parametrize("loss", under.few(), ids=under.name)
def test_the_default_range_shows_the_loss_change(loss):
    one = slice_of(loss)
    assert np.ptp(one("value", one.inside(41))) > 1e-3


@pytest.mark.parametrize(
    ("loss", "about", "span"),
    [
        (amiss.SquaredError(), "prediction, for a target of 0", (-4, 4)),
        (amiss.Huber(delta=5.0), "prediction, for a target of 0", (-20, 20)),
        (amiss.Hinge(), "score, for a target of 1", (-4, 4)),
        (amiss.BinaryCrossEntropy(), "logit, for a target of 1", (-4, 4)),
        (amiss.BinaryCrossEntropy(input="probabilities"), "probability, for a target of 1", (0, 1)),
        (amiss.Poisson(), "logarithm of the predicted mean, for a target of 3", (-4, 4)),
        (amiss.Poisson(input="rate"), "prediction, for a target of 3", (0, 7.5)),
        (amiss.CrossEntropy(), "logit of the true class, of 3 classes", (-4, 4)),
        (
            amiss.CrossEntropy(input="log_probabilities"),
            "log-probability of the true class, of 3 classes",
            (-5, 0),
        ),
        (amiss.CosineDistance(), "x in the prediction (x, 1), for a target of (1, 0)", (-4, 4)),
        (
            amiss.RootMeanSquaredError(),
            "prediction, for a target of 0, alone in its batch",
            (-4, 4),
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_each_domain_has_its_range_and_target(loss, about, span):
    one = slice_of(loss)
    assert (one.about, one.span) == (about, span)


def test_a_real_target_moves_the_range():
    assert slice_of(amiss.SquaredError(), target=100.0).span == (96.0, 104.0)


def test_an_ignored_class_and_another_axis_are_drawn_all_the_same():
    given = slice_of(amiss.CrossEntropy(ignore_index=0, axis=0))
    assert given("value", [0.5]) == slice_of(amiss.CrossEntropy())("value", [0.5])


def test_class_weights_say_how_many_classes_there_are():
    assert slice_of(amiss.CrossEntropy(class_weight=(1.0, 2.0))).classes == 2


def test_the_target_of_classes_is_the_probability_of_the_true_one():
    one = slice_of(amiss.CrossEntropy(input="probabilities"), target=0.5)
    # -(log 0.5) / 2 - 2 * 0.25 * log 0.25
    assert one("value", [0.5])[0] == pytest.approx(1.5 * np.log(2.0))


def test_a_sum_is_drawn_as_one_loss():
    one = slice_of(amiss.SquaredError() + 2 * amiss.AbsoluteError())
    assert one("value", [3.0]) == [15.0]  # 9 + 2 * 3


def test_sums_of_different_kinds_are_refused():
    with pytest.raises(ParameterError, match="must take the same predictions"):
        slice_of(amiss.SquaredError() + amiss.CrossEntropy())


def test_losses_of_different_kinds_are_refused_with_a_way_out():
    with pytest.raises(ParameterError, match=r"SquaredError takes a prediction.*against='probability'"):
        draw_losses([amiss.SquaredError(), amiss.CrossEntropy()])


def test_losses_of_labels_share_an_axis():
    value, _ = draw_losses([amiss.Hinge(), amiss.BinaryCrossEntropy(), amiss.SquaredHinge()])
    assert len(value.get_legend_handles_labels()[0]) == 3


def test_the_loss_itself_says_what_is_wrong_with_a_target():
    with pytest.raises(DomainError, match=r"target must be -1 or \+1"):
        draw_losses(amiss.Hinge(), target=0.0)


@pytest.mark.parametrize("target", [float("nan"), "a", None], ids=str)
def test_a_target_is_a_finite_number(target):
    if target is None:
        assert slice_of(amiss.SquaredError(), target).target == 0.0
        return
    with pytest.raises(ParameterError, match="target must be a finite number"):
        slice_of(amiss.SquaredError(), target)


@pytest.mark.parametrize("span", [(1, 1), (2, 1), (0, float("inf")), (0,), "ab"], ids=str)
def test_a_range_is_two_finite_numbers(span):
    with pytest.raises(ParameterError, match="two finite numbers, the lower first"):
        draw_losses(amiss.SquaredError(), span=span)


def test_a_range_outside_of_the_domain_is_refused():
    with pytest.raises(ParameterError, match="must reach into the predictions"):
        draw_losses(amiss.BinaryCrossEntropy(input="probabilities"), span=(2, 3))


def test_a_range_beyond_the_domain_is_cut_to_it():
    value, _ = draw_losses(amiss.BinaryCrossEntropy(input="probabilities"), span=(-1, 2))
    assert points(value.lines[0])[0][[0, -1]].tolist() == [0.0, 1.0]


def test_probabilities_have_no_error_axis():
    with pytest.raises(ParameterError, match="compares no prediction with a target by an error"):
        draw_losses(amiss.BinaryCrossEntropy(input="probabilities"), against="error")


def test_a_misspelt_axis_gets_a_suggestion():
    with pytest.raises(ParameterError, match="Did you mean 'error'"):
        draw_losses(amiss.SquaredError(), against="eror")


def test_no_loss_is_refused():
    with pytest.raises(ParameterError, match="one loss or more"):
        draw_losses([])


def test_a_class_is_no_loss():
    with pytest.raises(ParameterError, match="loss must be one given by formulas"):
        slice_of(amiss.Huber)


def test_labels_are_short():
    assert legend_of(amiss.get("BCELoss")) == "BinaryCrossEntropy(input='probabilities', epsilon=3.72e-44)"


@pytest.mark.parametrize("loss", under.variants(), ids=under.name)
@pytest.mark.parametrize("quantity", ["value", "gradient"])
def test_every_loss_states_its_unit_in_a_few_words(loss, quantity):
    unit = units_of([loss], quantity)
    assert unit == "" or (unit.strip().startswith("(") and len(unit) < 40)


# --- losses of one's own -----------------------------------------------------------------------------------
def test_an_expression_is_named_by_its_text():
    text = "sqrt((prediction - target)**2 + 1) - 1"
    assert legend_of(amiss.define(text)) == text


def test_a_loss_that_takes_no_0_gets_another_target():
    assert slice_of(amiss.define("(log(prediction) - log(target))**2")).target == 1.0


def test_a_prediction_without_meaning_is_no_number():
    one = slice_of(amiss.define("(prediction - target)**2", prediction="positive"))
    np.testing.assert_array_equal(one("value", [-1.0, 4.0]), [np.nan, 16.0])


def test_a_loss_of_few_predictions_is_drawn_as_dots():
    value, _ = draw_losses(amiss.define("(prediction - target)**2", prediction="sign"), target=1.0)
    dots = value.lines[1]
    assert (dots.get_xdata().tolist(), dots.get_ydata().tolist()) == ([-1.0, 1.0], [4.0, 0.0])


def test_a_loss_that_is_nowhere_finite_is_refused():
    with pytest.raises(ParameterError, match="must be finite somewhere between -5 and -1, for a target of 0"):
        draw_losses(amiss.define("log(prediction - target)"), span=(-5, -1))


def test_a_loss_that_is_known_on_one_side_only_fills_the_picture():
    value, _ = draw_losses(amiss.define("(log(prediction) - log(target))**2"))
    assert value.get_ylim()[1] < 12  # log(5)² = 2.6 at the right end, and a pole at 0


def test_a_jump_of_the_value_is_drawn():
    value, _ = draw_losses(amiss.define("where(prediction > target, 1.0, 0.0)"))
    dots = [
        line for line in value.lines if len(line.get_xdata()) == 1 and line.get_markerfacecolor() != "white"
    ]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots] == [(0.0, 0.0)]
