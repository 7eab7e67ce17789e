"""A loss over a plane, as labelled contour lines: two predictions, or two weights of a linear model."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from amiss.core import Loss
from amiss.core.errors import DomainError, ParameterError, ShapeError
from amiss.network import Dense, Network
from amiss.plot.losses import check_span
from amiss.plot.slices import Slice, legend_of, slice_of, units_of
from amiss.plot.style import axes_for, legend, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_outputs", "draw_weights"]

Surface = Callable[[float, float], float]
Spans = tuple[tuple[float, float], tuple[float, float]]

CELLS = 72
GOLDEN = (5**0.5 - 1) / 2
FLAT = 4
"""With more points than this of a grid at the minimum, it is no single point."""

LEVELS = np.array([0.02, 0.07, 0.15, 0.26, 0.4, 0.56, 0.76])
"""The shares of the plane that lie inside each contour line."""

NO_ROOM = 0.02
"""The least probability that two classes leave to the others: nearer to 0 lines are too dense to draw."""


def draw_outputs(
    loss: Loss,
    target: Sequence[float] | None = None,
    span: tuple[float, float] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw contour lines of a loss over two predictions: of two items, or the first two classes of a row.

    Args:
        loss: any loss.
        target: the two targets, or one number that both are; of a loss over classes the probability of each
            class, or that of the first. By default targets whose best predictions lie in the picture.
        span: the ends of both axes.
        ax: where to draw; by default the axes of a figure of their own.

    Raises:
        ParameterError: an argument is not as described, or the loss takes no such target.
        BackendError: matplotlib is missing.

    Examples:
        >>> import amiss
        >>> ax = draw_outputs(amiss.SquaredError(), target=(1.0, -1.0))
        >>> [round(float(ax.collections[-1].get_offsets()[0][n]), 3) for n in (0, 1)]  # the minimum
        [1.0, -1.0]
    """
    one = slice_of(loss)
    if one.kind == "class" and one.reading != "logit" and one.classes < 3:
        raise ParameterError(
            f"plot: {legend_of(loss)} must have 3 classes or more, so that two are free; got {one.classes}."
        )
    targets = _targets(loss, one, target)
    spans = (_span(one, targets[:2]),) * 2 if span is None else (check_span(span),) * 2
    rows = one.kind != "number"

    def surface(a: float, b: float) -> float:
        prediction = np.array([a, b])
        if one.kind == "class":
            prediction = _row(one, a, b)
        shape = (1, -1) if rows else (-1,)
        return float(one.loss(prediction.reshape(shape), targets.reshape(shape)))

    word = {"class": "class", "row": "entry"}.get(one.kind, "item")
    told = ", ".join(f"{value:.3g}" for value in targets)
    with style():
        (ax,) = axes_for(ax, width=4.6)
        ends = (one.domain,) * 2
        _draw(ax, surface, spans, f"{legend_of(loss)}{units_of([loss], 'value')}".replace("\n", " "), ends)
        ax.set_aspect("equal")
        ax.set_xlabel(f"{one.reading} of {word} 1, for targets {told}")
        ax.set_ylabel(f"{one.reading} of {word} 2")
    return ax


def _targets(loss: Loss, one: Slice, given: Sequence[float] | float | None) -> np.ndarray:
    """Return the targets of two items, or a whole row of them."""
    if given is None:
        if one.kind == "class":
            return (
                np.array([0.6, 0.3] + [0.1 / (one.classes - 2)] * (one.classes - 2))
                if one.classes > 2
                else (np.array([0.7, 0.3]))
            )
        if one.kind == "row":
            return np.array([1.0, 0.0])
        return np.array([1.0, -1.0] if one.signs else [0.8, 0.4] if one.labels else [one.target] * 2)
    numbers = np.ravel(np.asarray(given, float))
    size = one.classes if one.kind == "class" else 2
    if one.kind == "class" and len(numbers) == 1:
        numbers = np.array([numbers[0]] + [(1 - numbers[0]) / (size - 1)] * (size - 1))
    elif len(numbers) == 1:
        numbers = np.repeat(numbers, size)
    if len(numbers) != size or not np.isfinite(numbers).all():
        raise ParameterError(
            f"plot: target must be {size} finite numbers, or one, for {legend_of(loss)}; got {given!r}."
        )
    return numbers


def _span(one: Slice, targets: np.ndarray) -> tuple[float, float]:
    low, high = one.span
    if one.kind == "number" and one.reading == "prediction" and np.isinf(one.domain).all():
        return float(low + targets.min() - one.target), float(high + targets.max() - one.target)
    return low, high


def _row(one: Slice, a: float, b: float) -> np.ndarray:
    """Return a row whose first two entries are a and b; the others share what is left, or are 0."""
    others = one.classes - 2
    if one.reading == "logit":
        return np.array([a, b] + [0.0] * others)
    rest = 1.0 - (a + b if one.reading == "probability" else np.exp(a) + np.exp(b))
    if rest < NO_ROOM:
        raise DomainError("The probabilities of two classes must leave room for the others.")
    shared = [rest / others] * others
    return np.array([a, b, *(shared if one.reading == "probability" else np.log(shared))])


def draw_weights(
    loss: Loss,
    x: Any,
    y: Any,
    span: Spans | None = None,
    names: Sequence[str] = (),
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw contour lines of the mean loss over the two weights of a linear model.

    The model is a network of one layer: w x + b for one number per item, w₁ x₁ + w₂ x₂ for two; with a
    sigmoid where the loss takes probabilities.

    Args:
        loss: a loss of one number per item.
        x: the inputs, (items,) or (items, 2).
        y: the targets, (items,).
        span: the ends of both axes; by default three units around the minimum.
        names: what the two weights belong to, for the axes.
        ax: where to draw; by default the axes of a figure of their own.

    Raises:
        ParameterError: the loss is one of rows.
        ShapeError: x or y has another shape.
        DomainError: the loss has no meaning for a target.
        BackendError: matplotlib is missing.

    Examples:
        >>> import amiss
        >>> ax = draw_weights(amiss.SquaredError(), [-1.0, 0.0, 1.0], [-1.0, 1.0, 3.0])  # y = 2 x + 1
        >>> [round(float(ax.collections[-1].get_offsets()[0][n]), 3) for n in (0, 1)]
        [2.0, 1.0]
    """
    one = slice_of(loss)
    if one.kind != "number":
        raise ParameterError(
            f"plot: {legend_of(loss)} takes rows, and a linear model of two weights gives one number. "
            "Take a loss of one number per item, such as BinaryCrossEntropy."
        )
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim not in (1, 2) or (x.ndim == 2 and x.shape[1] != 2) or y.shape != x.shape[:1] or not len(x):
        raise ShapeError(
            f"plot: x must have shape (items,) or (items, 2) and y shape (items,); got {x.shape}, {y.shape}."
        )
    activation = "sigmoid" if one.reading == "probability" else "identity"
    network = Network([Dense(x.ndim, 1, activation, bias=x.ndim == 1)], seed=0, dtype="float64")
    rows, targets = x.reshape(len(x), -1), y[:, None]

    def surface(a: float, b: float) -> float:
        network.parameters[:] = a, b
        return float(loss(network.forward(rows)[-1], targets))

    surface(0.0, 0.0)  # the loss says what is wrong with the targets
    spans = _around(surface) if span is None else (check_span(span[0]), check_span(span[1]))
    usual = ("weight w", "intercept b") if x.ndim == 1 else ("weight w₁", "weight w₂")
    named = [f"{usual[n]} of {name}" for n, name in enumerate(names)]
    with style():
        (ax,) = axes_for(ax)
        unit = units_of([loss], "value").replace("\n", " ")
        _draw(ax, surface, spans, f"{legend_of(loss)}, mean of {len(x)} items{unit}")
        ax.set_xlabel(named[0] if named else usual[0])
        ax.set_ylabel(named[1] if len(named) > 1 else usual[1])
    return ax


def _around(surface: Surface) -> Spans:
    """Return three units around the minimum, which is looked for in larger and larger squares."""
    for reach in (4.0, 16.0, 64.0, 256.0):
        (a, b), _ = _lowest(surface, ((-reach, reach),) * 2)
        if max(abs(a), abs(b)) < 0.99 * reach:
            return (a - 3.0, a + 3.0), (b - 3.0, b + 3.0)
    return ((-4.0, 4.0),) * 2


# --- drawing -----------------------------------------------------------------------------------------------
def _grid(surface: Surface, spans: Spans, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both axes and the loss at (b, a); NaN where the loss has no meaning."""
    xs, ys = (np.linspace(*span, cells + 1) for span in spans)
    return xs, ys, np.array([[_value(surface, a, b) for a in xs] for b in ys])


def _value(surface: Surface, a: float, b: float) -> float:
    try:
        with np.errstate(all="ignore"):
            return surface(float(a), float(b))
    except DomainError:
        return np.nan


def _lowest(surface: Surface, spans: Spans) -> tuple[tuple[float, float], float]:
    """Return where the loss is lowest in a rectangle, and its value.

    The lowest of each column is looked for, and among them the lowest: the lowest of the columns of a convex
    loss is convex again, so that no valley is too narrow.
    """

    def column(a: float) -> float:
        return _least(lambda b: _value(surface, a, b), spans[1])[1]

    a, least = _least(column, spans[0])
    return (a, _least(lambda b: _value(surface, a, b), spans[1])[0]), least


def _least(function: Callable[[float], float], span: tuple[float, float]) -> tuple[float, float]:
    """Return where a function is lowest, and its value: on a grid, then by golden sections between points."""
    xs = np.linspace(*span, 25)
    values = np.array([function(x) for x in xs])
    values[~np.isfinite(values)] = np.inf
    best = int(np.argmin(values))
    low, high = xs[max(best - 1, 0)], xs[min(best + 1, len(xs) - 1)]
    found = [(values[best], float(xs[best]))]
    for _ in range(40):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        at = [(value if np.isfinite(value := function(x)) else np.inf, float(x)) for x in (left, right)]
        low, high = (low, right) if at[0][0] <= at[1][0] else (left, high)
        found += at
    value, x = min(found)
    return x, float(value)


def _draw(ax: "Axes", surface: Surface, spans: Spans, name: str, domain: Spans | None = None) -> None:
    xs, ys, values = _grid(surface, spans, CELLS)
    where, least = _lowest(surface, spans)
    known = values[np.isfinite(values)]
    if not len(known):
        raise ParameterError(f"plot: {name} must be finite somewhere in the picture. Choose another range.")
    least = min(least, known.min())
    levels = _levels(known, least)[int(_is_flat(values, least).sum() > FLAT) :]
    shown = np.ma.masked_invalid(values)
    top = max(known.max(), levels[-1]) + 1.0
    ax.contourf(xs, ys, shown, levels=[least - 1.0, *levels, top], cmap=_shades(), zorder=0)
    lines = ax.contour(xs, ys, shown, levels=levels, colors="black", linewidths=0.8, zorder=1)
    ax.clabel(lines, fmt=lambda level: f"{level:g}", fontsize=7.5)
    ax.grid(visible=False)
    _mark(ax, (xs, ys, values), where, least, name, domain)
    ax.set_xlim(*spans[0])
    ax.set_ylim(*spans[1])


def _levels(values: np.ndarray, least: float) -> list[float]:
    """Return rounded losses that share the plane out evenly, so that lines lie dense nowhere."""
    chosen = np.quantile(values, LEVELS)
    spread = float(chosen[-1] - least) or 1.0
    digits = [int(np.floor(np.log10(max(abs(level - least), 1e-3 * spread)))) for level in chosen]
    rounded = [round(float(level), 1 - digit) for level, digit in zip(chosen, digits, strict=True)]
    found = sorted({level for level in rounded if level > least})
    return found or [least + spread]


def _is_flat(values: np.ndarray, least: float) -> np.ndarray:
    """Return where the loss is as low as at its lowest."""
    return values <= least + 1e-9 * (np.quantile(values[np.isfinite(values)], 0.9) - least)


def _shades() -> Any:
    """Return light shades, darker where the loss is lower, on which black lines are read."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("amiss", ["#8fb8d6", "#ffffff"])


def _mark(
    ax: "Axes",
    grid: Sequence[np.ndarray],
    where: tuple[float, float],
    least: float,
    name: str,
    domain: Spans | None,
) -> None:
    """Mark the minimum; or all of it, where it is more than a point; or say that none is in view."""
    from matplotlib.lines import Line2D

    xs, ys, values = grid
    best = f"{least:.3g}" if abs(least) > 1e-9 * np.nanmax(np.abs(values[np.isfinite(values)])) else "0"
    title = Line2D([], [], color="black", linewidth=0.8, label=name)
    flat = np.argwhere(_is_flat(values, least))
    edges = [
        end
        for at, span, ends in zip(where, (xs, ys), domain or ((-np.inf, np.inf),) * 2, strict=True)
        for end in (span[0], span[-1])
        if abs(at - end) < 1e-6 * (span[-1] - span[0]) and end not in ends
    ]
    if len(flat) > FLAT:
        kept = [place for place in flat if len(flat) < CELLS or (place % 3 == 0).all()]
        ax.scatter([xs[c] for _, c in kept], [ys[r] for r, _ in kept], s=4, color="black", zorder=3)
        marker, told = ".", f"lowest, {best}, at every dot"
    elif edges:
        marker, told = "", "it falls on beyond the edge: no minimum in view"
    else:
        ax.scatter([where[0]], [where[1]], s=90, marker="*", color="black", zorder=3)
        at = ", ".join(f"{number:.3g}" for number in np.round(where, 6) + 0.0)
        marker, told = "*", f"minimum {best} at ({at})"
    size = 9 if marker == "*" else 4
    mark = Line2D([], [], color="black", linestyle="none", marker=marker, markersize=size, label=told)
    legend(ax, [title, mark])
