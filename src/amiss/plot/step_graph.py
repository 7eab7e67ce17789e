"""The graph of one step of backpropagation: values above, from left to right; gradients below, back again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from amiss.plot.style import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Stage", "draw_step"]

MOST = 4  # numbers of a vector, and rows and columns of a matrix, that are written out
WIDTH, HEIGHT = 0.66, 0.62
FORWARD, BACKWARD, WEIGHTS = 2.0, 1.0, 0.0  # heights of the three lanes
ENTRANCE = "#D55E00"


@dataclass(frozen=True)
class Stage:
    """One quantity on the way from the data to the prediction.

    Attributes:
        name: of the quantity.
        values: its numbers, for one row of the data.
        how: by what it follows from the stage before.
        gradients: the derivative of the loss by it; None where none is computed.
        how_back: by what the gradient follows from that of the next stage.
        weights: names and numbers of the derivatives by the weights that meet here.
    """

    name: str
    values: Sequence[float]
    how: str = ""
    gradients: Sequence[float] | None = None
    how_back: str = ""
    weights: Sequence[tuple[str, np.ndarray]] = ()


def draw_step(
    stages: Sequence[Stage],
    loss: float,
    target: Sequence[float],
    name: str = "loss",
    caption: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the stages, the loss at their end, and the one arrow by which the loss enters.

    Args:
        stages: from the data to the prediction.
        loss: its value.
        target: of the row that is shown.
        name: of the loss.
        caption: what the numbers are of.
        ax: where to draw; a figure of its own by default.

    Returns:
        The axes, without a frame.

    Raises:
        BackendError: matplotlib is missing.

    Examples:
        >>> ax = draw_step([Stage("x", [1.0]), Stage("a", [3.0], "W", [2.0])], 1.0, [2.0])
        >>> [text.get_text() for text in ax.texts if text.get_text().startswith("∂")]
        ['∂L/∂a']
    """
    with style():
        from matplotlib.figure import Figure

        if ax is None:
            ax = Figure(figsize=(1.45 * (len(stages) + 1) + 0.5, 4.9), layout="constrained").subplots()
        ax.set_axis_off()
        end = len(stages)
        low = WEIGHTS if any(stage.weights for stage in stages) else BACKWARD
        ax.set(xlim=(-0.6, end + 0.6), ylim=(low - 0.45, FORWARD + 0.78))
        ax.text(-0.5, FORWARD + 0.62, "forward: values →", fontsize=9, color="0.25")
        ax.text(-0.5, BACKWARD + 0.42, "← backward: gradients", fontsize=9, color="0.25")
        ax.text(end + 0.5, low - 0.4, caption, fontsize=8, color="0.25", ha="right", parse_math=False)
        for place, stage in enumerate(stages):
            _stage(ax, place, stage, stages[place + 1] if place + 1 < end else None)
        _loss(ax, end, loss, target, name)
    return ax


def _stage(ax: "Axes", place: int, stage: Stage, above: Stage | None) -> None:
    _box(ax, place, FORWARD, stage.name, _column(stage.values))
    if place:
        _arrow(ax, (place - 1 + WIDTH / 2, FORWARD), (place - WIDTH / 2, FORWARD), stage.how)
    if stage.gradients is not None:
        _box(ax, place, BACKWARD, f"∂L/∂{stage.name}", _column(stage.gradients), dashed=True)
        if above is not None:
            start, stop = (place + 1 - WIDTH / 2, BACKWARD), (place + WIDTH / 2, BACKWARD)
            _arrow(ax, start, stop, stage.how_back, dashed=True)
    if stage.weights:
        text = "\n".join(f"{name}\n{_table(array)}" for name, array in stage.weights)
        _arrow(ax, (place, BACKWARD - HEIGHT / 2), (place, WEIGHTS + 0.42), "", dashed=True)
        ax.text(place, WEIGHTS + 0.4, text, ha="center", va="top", fontsize=6.5, family="DejaVu Sans Mono")


def _loss(ax: "Axes", end: int, loss: float, target: Sequence[float], name: str) -> None:
    _box(ax, end, FORWARD, "L", f"{loss:.4g}\n\n{_folded(name)}", thick=True)
    _arrow(ax, (end - 1 + WIDTH / 2, FORWARD), (end - WIDTH / 2, FORWARD), "")
    numbers = ", ".join(f"{number:.3g}" for number in target[:3]) + ", ..." * (len(target) > 3)
    ax.text(end, FORWARD + HEIGHT / 2 + 0.06, f"y = {numbers}", ha="center", va="bottom", fontsize=8)
    start, stop = (end, FORWARD - HEIGHT / 2), (end - 1 + WIDTH / 2, BACKWARD)
    _arrow(ax, start, stop, "", entrance=True)
    told = {"ha": "center", "va": "top", "weight": "bold", "color": "0.1"}
    ax.text(end + 0.02, BACKWARD - 0.04, "the loss\nenters here", **told)


def _box(
    ax: "Axes", x: float, y: float, title: str, text: str, dashed: bool = False, thick: bool = False
) -> None:
    from matplotlib.patches import FancyBboxPatch

    edge = ENTRANCE if thick else "0.2"
    look = {"edgecolor": edge, "linewidth": 2.4 if thick else 1.0, "linestyle": "--" if dashed else "-"}
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    shape = "round,pad=0,rounding_size=0.06"
    ax.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, shape, facecolor="1.0" if dashed else "0.94", **look))
    ax.text(x, y + HEIGHT / 2 - 0.04, title, ha="center", va="top", weight="bold", fontsize=9)
    ax.text(x, y - 0.06, text, ha="center", va="center", fontsize=7.5, family="DejaVu Sans Mono")


def _arrow(
    ax: "Axes",
    start: tuple[float, float],
    stop: tuple[float, float],
    label: str,
    dashed: bool = False,
    entrance: bool = False,
) -> None:
    look = {"arrowstyle": "-|>", "color": "0.2", "linewidth": 1.1, "linestyle": "--" if dashed else "-"}
    if entrance:
        look |= {"color": ENTRANCE, "linewidth": 3.0, "connectionstyle": "angle,angleA=-90,angleB=0,rad=8"}
    ax.annotate("", stop, start, arrowprops={**look, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 13})
    if label:
        middle = (start[0] + stop[0]) / 2
        ax.text(middle, start[1] + 0.05, label, ha="center", va="bottom", fontsize=7)


def _folded(name: str) -> str:
    """Return the words of a name, such as those of BinaryCrossEntropy, in lines that fit into a box."""
    words = re.findall(r"[A-Z][a-z]+|[^A-Z]+|[A-Z]", name)
    lines = [""]
    for word in words:
        lines = [*lines[:-1], lines[-1] + word] if len(lines[-1] + word) <= 13 else [*lines, word]
    return "\n".join(lines)


def _column(values: Sequence[float]) -> str:
    shown = [f"{value + 0.0:.3g}" for value in values[:MOST]]
    width = max(map(len, shown))
    more = [f"... of {len(values)}"] if len(values) > MOST else []
    return "\n".join([*(f"{text:>{width}}" for text in shown), *more])


def _table(array: np.ndarray) -> str:
    table = np.atleast_2d(array)
    rows = [" ".join(f"{value + 0.0:7.2g}" for value in row[:MOST]) for row in table[:MOST]]
    more = [f"... of {'×'.join(map(str, array.shape))}"] if max(table.shape) > MOST else []
    return "\n".join([*rows, *more])
