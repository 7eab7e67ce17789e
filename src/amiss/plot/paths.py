"""The loss of a network along a way through its weights: between two sets of them, or along a single one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from amiss.core import Loss
from amiss.core.errors import ParameterError, ShapeError
from amiss.network import Network
from amiss.plot.lines import POINTS, Line, draw_lines
from amiss.plot.losses import check_span
from amiss.plot.slices import legend_of, units_of
from amiss.plot.style import axes_for, legend, look, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_line", "draw_weight"]


def draw_line(
    network: Network,
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
    x: Any,
    y: Any,
    losses: Loss | Sequence[Loss],
    accuracy: bool = False,
    span: tuple[float, float] = (-0.25, 1.25),
    ax: "Axes | Sequence[Axes] | None" = None,
) -> "list[Axes]":
    """Draw the mean loss along the straight line between two sets of weights of a network.

    Args:
        network: the network; its own weights stay as they are.
        before: weights as `network.weights` gives them, such as those before training: position 0.
        after: the same, such as those after training: position 1.
        x: data of the network, (items, inputs).
        y: targets, as the losses take them.
        losses: one loss or several.
        accuracy: draw the accuracy too, in a second panel.
        span: the ends of the line, in positions.
        ax: the axes, or two; by default those of a figure of their own.

    Returns:
        The panels: loss and, if asked for, accuracy.

    Raises:
        ShapeError: the weights, x or y do not fit the network.
        ParameterError: an argument is not as described.
        BackendError: matplotlib is missing.

    Source:
        Goodfellow, Vinyals and Saxe (2015), arXiv:1412.6544.

    Examples:
        >>> import amiss
        >>> from amiss.network import Dense
        >>> network = Network([Dense(1, 1, bias=False)])
        >>> before, after, x, y = [[[0.0]]], [[[1.0]]], [[2.0]], [[2.0]]
        >>> (ax,) = draw_line(network, before, after, x, y, amiss.SquaredError(), span=(0, 1))
        >>> ax.lines[0].get_ydata()[[0, -1]].tolist()  # (0 * 2 - 2)², (1 * 2 - 2)²
        [4.0, 0.0]
    """
    losses = [losses] if isinstance(losses, Loss) else list(dict.fromkeys(losses))
    low, high = check_span(span)
    walker = _copy(network)
    ends = []
    for weights in (before, after):
        walker.weights = weights
        ends.append(walker.parameters.copy())
    positions = np.linspace(low, high, POINTS)
    ways = ((1 - t) * ends[0] + t * ends[1] for t in positions)
    values, shares = _measured(walker, ways, x, y, losses, accuracy)
    with style():
        panels = axes_for(ax, 1 + accuracy)
        _draw_values(panels[0], positions, values, losses, len(x))
        if accuracy:
            _draw_accuracy(panels[1], positions, shares)
        panels[0].set_xlim(low, high)
        _mark(panels, {0.0: "before", 1.0: "after"})
        panels[-1].set_xlabel("position t on the line: weights = (1 − t) · before + t · after")
        legend(panels[0], grow=ax is None)
    return panels


def draw_weight(
    network: Network,
    x: Any,
    y: Any,
    losses: Loss | Sequence[Loss],
    layer: int = 0,
    place: tuple[int, int] = (0, 0),
    span: tuple[float, float] | None = None,
    ax: "Sequence[Axes] | None" = None,
) -> "list[Axes]":
    """Draw the mean loss and the accuracy along one weight: a slope, and steps.

    The accuracy changes only where a row changes its class. Between such places it is flat, its gradient is
    0, and nothing tells a weight which way to go: that is why accuracy is a metric and no loss.

    Args:
        network: the network; its own weights stay as they are.
        x: data of the network, (items, inputs).
        y: targets for classes, as the losses take them.
        losses: one loss or several.
        layer: the layer of the weight, counted from 0.
        place: its row and column in W of that layer, counted from 0.
        span: the ends of the horizontal axis; by default four units around the weight as it is.
        ax: the two panels; by default those of a figure of their own.

    Returns:
        The panels: loss and accuracy.

    Raises:
        ParameterError: there is no such weight, or an argument is not as described.
        ShapeError: x or y does not fit the network.
        BackendError: matplotlib is missing.

    Examples:
        >>> import amiss
        >>> from amiss.network import Dense
        >>> network = Network([Dense(1, 1, bias=False)])
        >>> _, accuracy = draw_weight(network, [[1.0], [2.0]], [[1], [0]], amiss.BinaryCrossEntropy())
        >>> sorted({float(share) for share in accuracy.lines[0].get_ydata()})  # one of two is right
        [50.0]
    """
    losses = [losses] if isinstance(losses, Loss) else list(dict.fromkeys(losses))
    walker = _copy(network)
    weight = _weight(walker, layer, place)
    now = float(weight[place])
    low, high = (now - 4.0, now + 4.0) if span is None else check_span(span)
    places = np.linspace(low, high, POINTS)

    def ways() -> Any:
        for number in places:
            weight[place] = number
            yield walker.parameters

    values, shares = _measured(walker, ways(), x, y, losses, accuracy=True)
    with style():
        panels = axes_for(ax, 2)
        _draw_values(panels[0], places, values, losses, len(x))
        _draw_accuracy(panels[1], places, shares)
        panels[0].set_xlim(low, high)
        _mark(panels, {now: "as it is"})
        row, column = place
        panels[1].set_xlabel(f"weight W{layer + 1}[{row}, {column}], all others as they are")
        legend(panels[0], grow=ax is None)
    return panels


def _copy(network: Network) -> Network:
    """Return a network of the same weights in double precision, in which small steps are not lost."""
    if not isinstance(network, Network):
        raise ParameterError(f"plot: network must be an amiss.network.Network; got {network!r}.")
    walker = Network(network.layers, network.seed, "float64", network.scale)
    walker.weights = network.weights
    return walker


def _weight(network: Network, layer: int, place: tuple[int, int]) -> np.ndarray:
    """Return the W, a view, of which the place is one number."""
    if not 0 <= layer < len(network.layers):
        raise ParameterError(
            f"plot: layer must be one of the network's, W1 to W{len(network.layers)}; got W{layer + 1}."
        )
    weight = network.split(network.parameters)[layer][0]
    inside = len(place) == 2 and all(0 <= at < size for at, size in zip(place, weight.shape, strict=True))
    if not inside:
        raise ParameterError(
            f"plot: place must be a row and a column of W{layer + 1}, of shape {weight.shape}; got {place!r}."
        )
    return weight


def _measured(network, ways, x, y, losses, accuracy: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return each loss, and the accuracy in percent, of the network with each set of parameters."""
    x, y = network.check(x), np.asarray(y)
    if not len(x) or len(x) != len(y):
        raise ShapeError(f"plot: x and y must have the same items, one or more; got {x.shape}, {y.shape}.")
    values, shares = [], []
    for parameters in ways:
        network.parameters[:] = parameters
        output = network.forward(x)[-1]
        values.append([float(loss(output, y)) for loss in losses])
        shares.append(100 * network.accuracy(output, y) if accuracy else np.nan)
    return np.array(values).T, np.array(shares)


def _draw_values(ax: "Axes", x: np.ndarray, values: np.ndarray, losses: Sequence[Loss], items: int) -> None:
    lines = [
        Line(legend_of(loss), x, row, number=n)
        for n, (loss, row) in enumerate(zip(losses, values, strict=True))
    ]
    ax.set_ylabel(f"mean loss of {items} items{units_of(losses, 'value')}")
    draw_lines(ax, lines)


def _draw_accuracy(ax: "Axes", x: np.ndarray, shares: np.ndarray) -> None:
    ax.plot(x, shares, drawstyle="steps-mid", **{**look(3), "linestyle": "-"})
    margin = max(1.0, 0.06 * float(np.ptp(shares)))
    ax.set_ylim(max(shares.min() - margin, -2.0), min(shares.max() + margin, 102.0))
    ax.set_ylabel("accuracy (% of items)")


def _mark(panels: "Sequence[Axes]", names: dict[float, str]) -> None:
    """Mark positions that are in view by a thin line in each panel, with their names at the top."""
    low, high = panels[0].get_xlim()
    bottom, top = panels[0].get_ylim()
    if panels[0].get_yscale() == "linear":
        panels[0].set_ylim(bottom, top + 0.12 * (top - bottom))  # room for the names
    for at, name in names.items():
        if not low <= at <= high:
            continue
        for panel in panels:
            panel.axvline(at, color="0.35", linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        panels[0].annotate(
            name,
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3, -2),
            textcoords="offset points",
            verticalalignment="top",
            fontsize=8,
            color="0.25",
        )
