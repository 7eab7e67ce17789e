"""Contour lines: the surface is that of the loss, and the minimum is where it says."""

import numpy as np
import pytest

import amiss
from amiss.core.errors import DomainError, ParameterError, ShapeError
from amiss.plot import draw_outputs, draw_weights

X = np.array([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
Y = np.array([-2.1, -1.2, 0.3, 1.1, 1.8, 4.4])


def minimum(ax):
    """Return where the star is."""
    return ax.collections[-1].get_offsets()[0]


def told(ax):
    """Return the lines of the legend."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_contour_lines_lie_where_the_loss_has_their_level():
    loss, target = amiss.Linex(), [0.5, -0.5]
    ax = draw_outputs(loss, target=target)
    lines = ax.collections[1]
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        found = [float(loss(point, target)) for point in path.vertices[::7]]
        np.testing.assert_allclose(found, level, rtol=0.02)


def test_every_contour_line_is_labelled():
    ax = draw_outputs(amiss.SquaredError())
    levels = {f"{level:g}" for level in ax.collections[1].levels}
    assert levels == {text.get_text() for text in ax.texts}


def test_the_minimum_of_cross_entropy_is_at_the_logarithms_of_the_odds():
    ax = draw_outputs(amiss.CrossEntropy(), target=(0.6, 0.3, 0.1))
    np.testing.assert_allclose(minimum(ax), np.log([6.0, 3.0]), atol=1e-4)
    assert told(ax)[1].startswith("minimum 0.898 at")


def test_probabilities_of_classes_leave_room_for_the_others():
    ax = draw_outputs(amiss.CrossEntropy(input="probabilities"))
    np.testing.assert_allclose(minimum(ax), [0.6, 0.3], atol=1e-4)
    assert max(path.vertices.sum(axis=1).max() for path in ax.collections[1].get_paths()) <= 1.0


def test_no_minimum_is_claimed_where_the_loss_falls_on():
    ax = draw_outputs(amiss.CrossEntropy(), target=1.0)
    assert told(ax)[1] == "it falls on beyond the edge: no minimum in view"


def test_a_minimum_of_many_points_is_shown_as_such():
    ax = draw_outputs(amiss.Hinge())
    assert told(ax)[1] == "lowest, 0, at every dot"
    points = ax.collections[-1].get_offsets()
    assert (points[:, 0] >= 1 - 1e-9).all()
    assert (points[:, 1] <= -1 + 1e-9).all()


def test_the_least_squares_solution_is_marked():
    ax = draw_weights(amiss.SquaredError(), X, Y)
    np.testing.assert_allclose(minimum(ax), np.polyfit(X, Y, 1), atol=1e-4)


def test_two_columns_have_two_weights_and_no_intercept():
    x = np.stack([X, X**2], axis=1)
    ax = draw_weights(amiss.SquaredError(), x, Y)
    np.testing.assert_allclose(minimum(ax), np.linalg.lstsq(x, Y)[0], atol=1e-4)


def test_probabilities_come_through_a_sigmoid():
    labels = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    stars = [
        minimum(draw_weights(amiss.BinaryCrossEntropy(input=kind), X, labels))
        for kind in ("logits", "probabilities")
    ]
    np.testing.assert_allclose(*stars, atol=1e-4)


def test_losses_of_rows_have_more_than_two_weights():
    with pytest.raises(ParameterError, match="a linear model of two weights gives one number"):
        draw_weights(amiss.CrossEntropy(), X, Y)


def test_shapes_must_fit():
    with pytest.raises(ShapeError, match=r"got \(6,\), \(5,\)"):
        draw_weights(amiss.SquaredError(), X, Y[:5])


def test_a_target_without_meaning_is_no_empty_picture():
    with pytest.raises(DomainError, match="target must be"):
        draw_weights(amiss.Hinge(), X, Y)


def test_a_target_of_two_outputs_is_one_number_or_two():
    with pytest.raises(ParameterError, match="target must be 2 finite numbers, or one"):
        draw_outputs(amiss.SquaredError(), target=(1, 2, 3))


def test_two_probabilities_of_two_classes_are_not_free():
    with pytest.raises(ParameterError, match="3 classes or more"):
        draw_outputs(amiss.CrossEntropy(input="probabilities", class_weight=(1.0, 2.0)))


@pytest.mark.parametrize("loss", [amiss.SquaredError(), amiss.Huber(delta=0.1)], ids=repr)
def test_no_valley_is_too_narrow(loss):
    x = np.linspace(100, 110, 20)
    y = 0.5 * x - 30 + 0.1 * np.sin(7 * x)
    ax = draw_weights(loss, x, y)
    slope, intercept = minimum(ax)
    errors = loss.gradient(slope * x + intercept, y)
    np.testing.assert_allclose([errors.sum(), (errors * (x - 105)).sum()], 0.0, atol=1e-4)


def test_a_picture_without_any_number_is_refused():
    with pytest.raises(ParameterError, match="must be finite somewhere in the picture"):
        draw_outputs(amiss.define("log(prediction - target)"), span=(-3, -1))


def test_levels_are_round():
    ax = draw_weights(amiss.SquaredError(), 100 * X, 100 * Y, span=((-90, 90), (-90, 90)))
    assert all(level == float(f"{level:.2g}") for level in ax.collections[1].levels)
