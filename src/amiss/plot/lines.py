"""Lines of functions: where they jump they are broken, and what is far off does not squash the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from amiss.plot.style import look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Jump", "Line", "draw_lines", "sampled"]

POINTS = 801
MARKED = 8
"""With more jumps than this in a line, rings and dots would hide it."""


class Jump(NamedTuple):
    """Where a function jumps: its limit from the left, its value there, its limit from the right."""

    x: float
    left: float
    at: float
    right: float


@dataclass(frozen=True)
class Line:
    """A function as points, NaN between the two sides of a jump.

    Attributes:
        label: its name in the legend.
        number: which colour and dashes it has.
        rings: draw rings along it instead of a line.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    jumps: tuple[Jump, ...] = ()
    number: int = 0
    rings: bool = False


def sampled(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, exact: bool = True
) -> tuple[np.ndarray, np.ndarray, tuple[Jump, ...]]:
    """Return the points of a function over x and its jumps.

    Args:
        function: takes an array and works number by number.
        x: increasing numbers.
        exact: whether a jump lies at a number of few digits, so that the value there can be asked for.

    Notes:
        A steep piece is halved until it is flat, or is as narrow as numbers get and still as high: then
        it is a jump.

    Examples:
        >>> x, y, jumps = sampled(np.sign, np.linspace(-1.0, 2.0, 4))
        >>> jumps
        (Jump(x=0.0, left=-1.0, at=0.0, right=1.0),)
        >>> y
        array([-1., -1., nan,  0., nan,  1.,  1.,  1.])
    """
    y = function(x)
    with np.errstate(invalid="ignore"):
        steps = np.abs(np.diff(y))
    finite = np.abs(y[np.isfinite(y)])
    size = np.quantile(finite, 0.9) if len(finite) else 0.0
    places = np.flatnonzero(np.isfinite(steps) & (steps > 1e-3 * size))
    low, high = x[places], x[places + 1]
    y_low, y_high = y[places], y[places + 1]
    for _ in range(64):
        middle = low + (high - low) / 2
        found = function(middle) if len(middle) else middle
        left = np.abs(found - y_low) >= np.abs(y_high - found)
        high, y_high = np.where(left, middle, high), np.where(left, found, y_high)
        low, y_low = np.where(left, low, middle), np.where(left, y_low, found)
        kept = np.abs(y_high - y_low) > 0.5 * steps[places]
        places, low, high, y_low, y_high = (each[kept] for each in (places, low, high, y_low, y_high))
    return _broken(function if exact else _unknown, x, y, (places, low, high, y_low, y_high))


def _unknown(x: np.ndarray) -> np.ndarray:
    return np.full(len(x), np.nan)


def _broken(
    function: Callable, x: np.ndarray, y: np.ndarray, found: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, tuple[Jump, ...]]:
    """Return the points with both sides of each jump and a gap between, and the jumps."""
    places, low, high, y_low, y_high = found
    gap = np.full(len(places), np.nan)
    after = np.repeat(places + 1, 3)
    x_new = np.insert(x, after, np.stack([low, gap, high], axis=1).ravel())
    y_new = np.insert(y, after, np.stack([y_low, gap, y_high], axis=1).ravel())
    # A side of a jump that is a point of the grid itself stands there once.
    fresh = np.concatenate([[True], ~((np.diff(x_new) == 0) & (np.diff(y_new) == 0))])
    jumps: list[Jump] = []
    width = x[-1] - x[0]
    for at, left, right in zip((low + high) / 2, y_low, y_high, strict=True):
        spot = 0.0 if abs(at) < 1e-12 * width else float(f"{at:.12g}")
        if jumps and abs(jumps[-1].x - spot) < 1e-9 * width:  # two that meet in a point of the grid are one
            jumps[-1] = jumps[-1]._replace(right=float(right))
        else:
            jumps.append(Jump(spot, float(left), float(function(np.array([spot]))[0]), float(right)))
    return x_new[fresh], y_new[fresh], tuple(jumps)


def draw_lines(ax: "Axes", lines: Sequence[Line]) -> None:
    """Draw lines, mark the values at their jumps, and choose limits in which each can be read."""
    for line in lines:
        drawn = look(line.number)
        if line.rings:  # it may lie on another line, under which neither would be seen
            drawn |= {"linestyle": "none", "marker": "o", "markerfacecolor": "white", "markevery": 0.06}
        ax.plot(line.x, line.y, label=line.label, **drawn)
        dot = {"color": drawn["color"], "linestyle": "none", "marker": "o", "markersize": 4.5}
        alone = _alone(line.y) & ~np.isin(line.x, [jump.x for jump in line.jumps])
        if alone.any():
            ax.plot(line.x[alone], line.y[alone], clip_on=False, **dot)
        for jump in line.jumps if len(line.jumps) <= MARKED else ():
            sides = [side for side in (jump.left, jump.right) if side != jump.at]
            ax.plot([jump.x] * len(sides), sides, markerfacecolor="white", zorder=3, **dot)
            ax.plot([jump.x], [jump.at], zorder=4, **dot)
    _limit(ax, lines)


def _alone(y: np.ndarray) -> np.ndarray:
    """Return which numbers have no neighbour that a line could join them to."""
    known = np.concatenate([[False], np.isfinite(y), [False]])
    return known[1:-1] & ~known[:-2] & ~known[2:]


def _limit(ax: "Axes", lines: Sequence[Line]) -> None:
    sizes = [size for line in lines if (size := _size(line)) > 0]
    if not sizes:
        return
    least, largest = min(sizes), max(sizes)
    top = largest if largest <= 12 * least else 8 * least
    values = np.concatenate([line.y[np.isfinite(line.y)] for line in lines])
    if min(_share(line, top) for line in lines) < 0.2:
        _draw_in_powers_of_ten(ax, max(values.min(), -largest), min(values.max(), largest), least)
        return
    low, high = max(values.min(), -top), min(values.max(), top)
    margin = 0.05 * (high - low or 1.0)
    ax.set_ylim(low - margin, high + margin)


def _draw_in_powers_of_ten(ax: "Axes", low: float, high: float, least: float) -> None:
    """Let sizes that differ by powers of ten be read side by side; near 0 the axis is linear."""
    from matplotlib.ticker import SymmetricalLogLocator  # its ticks are rounder than those of the scale's own

    near = float(10.0 ** np.floor(np.log10(least / 4)))
    ax.set_yscale("asinh", linear_width=near)  # a symlog scale would put a kink into every curve
    ax.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=10 * near))
    ax.yaxis.get_major_locator().set_params(numticks=7)
    ax.set_ylabel(f"{ax.get_ylabel()}\nlogarithmic away from 0")
    ax.set_ylim(2 * low if low < 0 else -0.1 * near, 2 * high if high > 0 else 0.1 * near)


def _size(line: Line) -> float:
    """Return how large a line is over most of its length: a pole does not count."""
    sizes = _evenly(line)
    return float(min(sizes.max(), 2.5 * np.quantile(sizes, 0.9))) if len(sizes) else 0.0


def _share(line: Line, top: float) -> float:
    """Return the share of its length over which a line is within the limits."""
    sizes = _evenly(line)
    return float(np.mean(sizes <= top)) if len(sizes) else 1.0


def _evenly(line: Line) -> np.ndarray:
    """Return sizes of a line at even distances, from its first number to its last."""
    known = np.isfinite(line.y)
    if not known.any():
        return np.empty(0)
    x = line.x[known]
    return np.abs(np.interp(np.linspace(x[0], x[-1], POINTS), x, line.y[known]))
