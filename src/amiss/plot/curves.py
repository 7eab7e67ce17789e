"""Curves over epochs: one line and one band for each name, told apart by colour and by dashes."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from amiss.plot.style import look, save_figure, style, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Panel", "draw_curves", "draw_panels", "save_figure", "svg"]

_style = style


@dataclass(frozen=True)
class Panel:
    """One panel of a figure.

    Attributes:
        ylabel: what is shown, with its unit.
        series: for each name an array (runs, epochs), NaN where a run has no number.
        log: use a logarithmic axis if every number is positive.
    """

    ylabel: str
    series: Mapping[str, np.ndarray]
    log: bool = False


def draw_curves(panel: Panel, ax: "Axes | None" = None) -> "Axes":
    """Draw the mean over the runs of each series, and the range between them as a band.

    A run that ended early is marked with a cross at its last number.

    Args:
        panel: what to draw.
        ax: where to draw; a figure of its own by default.

    Returns:
        The axes. Epochs are counted from 1.

    Raises:
        BackendError: matplotlib is missing.

    Examples:
        >>> ax = draw_curves(Panel("loss", {"a": np.array([[4.0, 2.0], [2.0, 1.0]])}))
        >>> ax.lines[0].get_ydata().tolist()  # (4 + 2) / 2, (2 + 1) / 2
        [3.0, 1.5]
    """
    with style():
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        ax = Figure(layout="constrained").subplots() if ax is None else ax
        for number, (name, values) in enumerate(panel.series.items()):
            _draw_series(ax, name, np.asarray(values, float), number)
        finite = np.concatenate([np.ravel(values) for values in panel.series.values()] or [np.empty(0)])
        finite = finite[np.isfinite(finite)]
        if panel.log and len(finite) and (finite > 0).all():
            ax.set_yscale("log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("epoch")
        ax.set_ylabel(panel.ylabel, parse_math=False)  # a column may be called $\frac{$
    return ax


def _draw_series(ax: "Axes", name: str, values: np.ndarray, number: int) -> None:
    drawn = look(number)
    colour = drawn["color"]
    epochs = np.arange(1, values.shape[1] + 1)
    values = np.where(np.isfinite(values), values, np.nan)
    if not len(values):
        ax.plot([], [], label=name, **drawn)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an epoch that no run reached has no mean: NaN
        mean, low, high = (function(values, axis=0) for function in (np.nanmean, np.nanmin, np.nanmax))
    marker = {"marker": "." if values.shape[1] == 1 else None}
    ax.plot(epochs, mean, label=name, **marker, **drawn)
    ax.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    for line in values:
        known = np.flatnonzero(np.isfinite(line))
        if len(known) and known[-1] < len(line) - 1:
            ax.plot(known[-1] + 1, line[known[-1]], marker="x", color=colour, linestyle="none")


def draw_panels(panels: Sequence[Panel], caption: str = "") -> "Figure":
    """Draw several panels side by side, with one legend above and a caption below.

    Raises:
        BackendError: matplotlib is missing.

    Examples:
        >>> figure = draw_panels([Panel("loss", {"a": np.ones((1, 3))}), Panel("accuracy", {})], "two panels")
        >>> [ax.get_ylabel() for ax in figure.axes]
        ['loss', 'accuracy']
    """
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.6 * len(panels), 3.6), layout="constrained")
        for ax, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
            draw_curves(panel, ax)
        lines, names = figure.axes[0].get_legend_handles_labels()
        if lines:
            legend = figure.legend(
                lines,
                names,
                loc="outside upper center",
                ncols=min(4, len(lines)),
                handlelength=4,
                frameon=False,
            )
            for text in legend.get_texts():
                text.set_parse_math(False)
        figure.supxlabel(caption, fontsize=8, color="0.3", parse_math=False)
    return figure
