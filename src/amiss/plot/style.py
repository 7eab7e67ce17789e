"""How every figure looks, and how it is written: colour and dashes, and the same bytes each time."""

import io
import os
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amiss.core.errors import BackendError, ParameterError, suggest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["KINDS", "axes_for", "legend", "look", "save_figure", "style", "svg"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#56B4E9", "#E69F00", "#F0E442")
"""Okabe and Ito (2008), Color Universal Design: also for those who do not see red or green."""

DASHES = ((), (6, 2), (1, 1.5), (6, 2, 1, 2), (3, 1.5), (9, 2, 3, 2), (6, 1.5, 1, 1.5, 1, 1.5), (1, 4))
RC = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9.0,
    "grid.alpha": 0.3,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "amiss",
}
KINDS = {
    "pdf": {"Creator": "amiss plot", "CreationDate": None},
    "png": {"Software": "amiss plot"},
    "svg": {"Creator": "amiss plot", "Date": None},
}
"""The kinds of file, and what is written into each besides the picture: who made it, and no date."""


LETTERS = 13.3
"""How many letters of the legend fit on an inch of axes; a line of it and its margins take some 11 more."""


def style() -> AbstractContextManager:
    """Return the settings that figures are made with, as a context.

    Raises:
        BackendError: matplotlib is missing.
    """
    try:
        from matplotlib import rc_context
    except ImportError:
        raise BackendError('Plots need matplotlib; it is not installed. pip install "amiss[plot]"') from None
    return rc_context(RC)


def look(number: int) -> dict[str, Any]:
    """Return colour, dashes and width of a line by its number; 64 lines differ."""
    colour = COLOURS[number % len(COLOURS)]
    dashes = DASHES[(number + number // len(COLOURS)) % len(DASHES)]
    return {"color": colour, "linestyle": (0, dashes) if dashes else "-", "linewidth": 1.6}


def axes_for(ax: "Axes | Sequence[Axes] | None", panels: int = 1, width: float = 5.6) -> "list[Axes]":
    """Return the axes that were given, or as many panels, one below the other, in a figure of their own.

    The figure is no part of pyplot: nothing is shown, and nothing needs to be closed.

    Raises:
        ParameterError: another number of axes was given.
    """
    if ax is None:
        from matplotlib.figure import Figure

        height = 4.2 if panels == 1 else 0.8 + 2.4 * panels
        figure = Figure(figsize=(width, height), layout="constrained")
        return list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])
    found = [ax] if hasattr(ax, "plot") else list(ax)
    if len(found) != panels:
        wanted = "one axes" if panels == 1 else f"{panels} axes, one for each panel"
        raise ParameterError(f"plot: ax must be {wanted}; got {len(found)}. Leave it out for a new figure.")
    return found


def legend(ax: "Axes", handles: Sequence[Any] | None = None, grow: bool = False) -> None:
    """Draw the legend above the axes, where it covers no curve; let the figure grow by its rows if asked."""
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    if not handles:
        return
    room = max(24, int(LETTERS * ax.get_position().width * ax.figure.get_figwidth()))
    names = [textwrap.fill(str(handle.get_label()), room) for handle in handles]
    longest = max(len(line) for name in names for line in name.splitlines())
    columns = max(1, min(4, len(names), (room + 2) // (longest + 11)))
    if grow:
        rows = -(-len(names) // columns) + sum(name.count("\n") for name in names) - 1
        ax.figure.set_figheight(ax.figure.get_figheight() + 0.19 * rows)
    made = ax.legend(
        handles=handles,
        labels=names,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        columnspacing=1.5,
        frameon=False,
        handlelength=4,
        ncols=columns,
    )
    for text in made.get_texts():
        text.set_parse_math(False)


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return the kind of a file by its ending.

    Raises:
        ParameterError: the ending is none of png, svg and pdf.

    Examples:
        >>> kind_of("a.SVG")
        'svg'
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in KINDS:
        known = ", ".join(f".{kind}" for kind in KINDS)
        raise ParameterError(
            f"plot: the file must end in one of {known}; got {str(path)!r}.{suggest(ending, KINDS)}"
        )
    return ending


def save_figure(
    figure: "Figure", path: "str | os.PathLike[str] | io.IOBase", kind: str | None = None
) -> None:
    """Write a figure as "png" (150 dots per inch), "svg" or "pdf"; the same figure gives the same bytes.

    Args:
        figure: what to write.
        path: the file, or an open one.
        kind: by default what the ending of the path says.

    Raises:
        ParameterError: the ending is none of these.
    """
    kind = kind_of(str(path) if kind is None else f"_.{kind}")
    with style():
        figure.savefig(path, format=kind, dpi=150, metadata=KINDS[kind])


def svg(figure: "Figure") -> str:
    """Return a figure as an SVG element for a page."""
    out = io.BytesIO()
    save_figure(figure, out, "svg")
    text = out.getvalue().decode()
    return text[text.index("<svg") :]
