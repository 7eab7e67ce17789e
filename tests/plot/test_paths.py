"""The loss along a line between weights, and along one weight."""

import numpy as np
import pytest
from plot.pictures import network, rows

import amiss
from amiss.core.errors import ParameterError, ShapeError
from amiss.network import Dense, Network
from amiss.plot import draw_line, draw_weight

LOSS = amiss.CrossEntropy()


def test_the_ends_of_the_line_are_the_two_networks():
    x, y = rows()
    before, after = network(), network()
    after.fit(x, y, loss=LOSS, epochs=3, progress=None)
    ax, accuracy = draw_line(before, before.weights, after.weights, x, y, LOSS, True, span=(0, 1))
    expected = [float(LOSS(each.predict(x), y)) for each in (before, after)]
    np.testing.assert_allclose(ax.lines[0].get_ydata()[[0, -1]], expected, rtol=1e-12)
    shares = [100 * each.accuracy(each.predict(x), y) for each in (before, after)]
    np.testing.assert_allclose(accuracy.lines[0].get_ydata()[[0, -1]], shares)


def test_a_linear_network_has_a_convex_line():
    start = network()
    (ax,) = draw_line(start, start.weights, [-2 * weight for weight in start.weights], *rows(), LOSS)
    assert (np.diff(ax.lines[0].get_ydata(), 2) > -1e-12).all()


def test_the_network_is_left_as_it_was():
    used = network()
    before = used.parameters.copy()
    draw_line(used, used.weights, [0 * weight for weight in used.weights], *rows(), LOSS)
    draw_weight(used, *rows(), LOSS)
    np.testing.assert_array_equal(used.parameters, before)


def test_accuracy_is_steps_and_the_loss_a_slope():
    value, accuracy = draw_weight(network(), *rows(), LOSS)
    shares, losses = accuracy.lines[0].get_ydata(), value.lines[0].get_ydata()
    assert np.mean(np.diff(shares) == 0) > 0.9
    assert len(np.unique(shares)) > 3
    assert np.mean(np.diff(losses) == 0) == 0
    np.testing.assert_allclose(shares * len(rows()[1]) / 100, np.rint(shares * len(rows()[1]) / 100))
    assert accuracy.lines[0].get_drawstyle() == "steps-mid"


def test_the_weight_as_it_is_has_the_loss_of_the_network():
    used, (x, y) = network(), rows()
    value, _ = draw_weight(used, x, y, LOSS, place=(1, 2))
    places, losses = value.lines[0].get_data()
    found = np.interp(used.weights[0][1, 2], places, losses)
    assert found == pytest.approx(float(LOSS(used.predict(x), y)), abs=1e-5)


def test_several_losses_are_drawn_along_one_line():
    start = network()
    losses = [LOSS, amiss.Dice()]
    (ax,) = draw_line(start, start.weights, [0 * weight for weight in start.weights], *rows(), losses)
    assert [line.get_label() for line in ax.get_legend_handles_labels()[0]] == ["CrossEntropy", "Dice"]


def test_weights_of_another_network_are_refused():
    with pytest.raises(ShapeError, match="weights must have the shapes"):
        draw_line(network(), network().weights, [np.zeros((3, 3))], *rows(), LOSS)


@pytest.mark.parametrize("place", [(2, 0), (0, 3), (-1, 0), (0,)], ids=str)
def test_a_weight_that_is_not_there_is_refused(place):
    with pytest.raises(ParameterError, match=r"a row and a column of W1, of shape \(2, 3\)"):
        draw_weight(network(), *rows(), LOSS, place=place)


def test_a_layer_that_is_not_there_is_refused():
    with pytest.raises(ParameterError, match="W1 to W1; got W2"):
        draw_weight(network(), *rows(), LOSS, layer=1)


def test_something_else_is_no_network():
    with pytest.raises(ParameterError, match=r"network must be an amiss\.network\.Network"):
        draw_weight(Dense(2, 3), *rows(), LOSS)


def test_items_must_be_the_same():
    x, y = rows()
    with pytest.raises(ShapeError, match="x and y must have the same items"):
        draw_weight(network(), x, y[:-1], LOSS)


def test_single_precision_does_not_roughen_the_line():
    used = Network([Dense(2, 3)], seed=0)
    value, _ = draw_weight(used, *rows(), LOSS, span=(0.0, 1e-4))
    assert (np.diff(value.lines[0].get_ydata(), 2) > -1e-13).all()
