"""A curve drawn with Braille dots: two columns and four rows of dots in each character cell."""

from collections.abc import Sequence

import numpy as np

__all__ = ["curve"]

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def curve(x: Sequence[float], y: Sequence[float], width: int = 40, height: int = 8) -> list[str]:
    r"""Return the lines of a drawing of y against x, with the ends of both axes written out.

    Args:
        x: increasing numbers.
        y: one finite number each; others are left out.
        width: columns of the drawing, without the labels of the axis.
        height: its rows.

    Examples:
        >>> print("\n".join(curve([0, 1, 2], [0, 1, 2], width=3, height=1)))
         2 ┤⡠⠔⠊
           └───
            0 2
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    kept = np.isfinite(x) & np.isfinite(y)
    low, high = float(y[kept].min()), float(y[kept].max())
    cells = np.full((height, width), 0x2800)
    columns = np.linspace(x[0], x[-1], 2 * width)
    heights = np.interp(columns, x[kept], y[kept])
    span = (high - low) or 1.0
    rows = np.rint((high - heights) / span * (4 * height - 1)).astype(int)
    previous = rows[0]
    for column, row in enumerate(rows):
        first, last = sorted((previous, row))
        for dot in range(first + (first != row), last + (last == row)):
            cells[dot // 4, column // 2] |= _DOTS[column % 2][dot % 4]
        previous = row
    labels = [_short(high), *[""] * (height - 2), _short(low)][:height]
    margin = max(map(len, labels)) + 1
    lines = [
        f"{label:>{margin}} {'┤' if label else '│'}{''.join(map(chr, row))}"
        for label, row in zip(labels, cells, strict=True)
    ]
    ends = _short(float(x[0])), _short(float(x[-1]))
    gap = " " * max(1, width - len(ends[0]) - len(ends[1]))
    return [*lines, f"{'':>{margin}} └{'─' * width}", f"{'':>{margin}}  {ends[0]}{gap}{ends[1]}"]


def _short(number: float) -> str:
    return f"{number:.3g}"
