"""Figures: losses or plain arrays in, `ax` out. They need matplotlib; `terminal` and `slices` do not."""

from amiss.plot.contours import draw_outputs, draw_weights
from amiss.plot.curves import Panel, draw_curves, draw_panels
from amiss.plot.losses import draw_by_probability, draw_losses
from amiss.plot.paths import draw_line, draw_weight
from amiss.plot.style import save_figure

__all__ = [
    "Panel",
    "draw_by_probability",
    "draw_curves",
    "draw_line",
    "draw_losses",
    "draw_outputs",
    "draw_panels",
    "draw_weight",
    "draw_weights",
    "save_figure",
]
