"""A loss against its prediction, its error or the probability of the true class; its gradient below."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from amiss.arrays import namespace_of
from amiss.core import Loss
from amiss.core.errors import ParameterError, suggest
from amiss.network.layers import ACTIVATIONS
from amiss.plot.lines import POINTS, Line, draw_lines, sampled
from amiss.plot.slices import Slice, legend_of, slice_of, terms, units_of
from amiss.plot.style import axes_for, legend, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_by_probability", "draw_losses"]

NAMES = {"value": "loss of one item", "gradient": "gradient", "hessian": "Hessian"}


def draw_losses(
    losses: Loss | Sequence[Loss],
    target: float | None = None,
    span: tuple[float, float] | None = None,
    against: str = "prediction",
    hessian: bool = False,
    ax: "Sequence[Axes] | None" = None,
) -> "list[Axes]":
    """Draw the loss of one item and its gradient against the prediction, for a target that stays.

    Where a derivative jumps the line is broken: rings are the limits of both sides, the dot is the value that
    the loss gives there.

    Args:
        losses: one loss or several, which take the same kind of prediction.
        target: the target; by default 0, or 3 for counts, or the label 1.
        span: the ends of the horizontal axis.
        against: "prediction", or "error": prediction - target.
        hessian: draw the second derivative, in a third panel.
        ax: the panels, two or three; by default those of a figure of their own.

    Returns:
        The panels: value, gradient and, if asked for, Hessian.

    Raises:
        ParameterError: the losses take predictions of different kinds, or an argument is not as described.
        BackendError: matplotlib is missing.

    Examples:
        >>> import amiss
        >>> value, gradient = draw_losses(amiss.SquaredError(), span=(-2, 2))
        >>> float(max(value.lines[0].get_ydata())), float(max(gradient.lines[0].get_ydata()))  # 2², 2 * 2
        (4.0, 4.0)
    """
    losses = _several(losses)
    _known("against", against, ("prediction", "error"))
    slices = [slice_of(loss, target) for loss in losses]
    about = _horizontal(slices, against)
    with style():
        quantities = ("value", "gradient", "hessian")[: 2 + hessian]
        panels = axes_for(ax, len(quantities))
        shift = slices[0].target if against == "error" else 0.0
        span = _span(slices, shift) if span is None else check_span(span)
        for quantity, panel in zip(quantities, panels, strict=True):
            lines = [
                _line(partial(one, quantity), one, span, legend_of(loss), number=n, shift=shift)
                for n, (loss, one) in enumerate(zip(losses, slices, strict=True))
            ]
            panel.set_ylabel(NAMES[quantity] + units_of(losses, quantity))
            draw_lines(panel, lines)
        for panel in panels:
            panel.set_xlim(*span)
        panels[-1].set_xlabel(about)
        legend(panels[0], grow=ax is None)
    return panels


def _several(losses: Loss | Sequence[Loss]) -> list[Loss]:
    found = [losses] if isinstance(losses, Loss) else list(losses)
    if not found:
        raise ParameterError("plot: losses must be one loss or more; got none.")
    return list(dict.fromkeys(found))


def _known(argument: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ParameterError(
            f"plot: {argument} must be one of {', '.join(known)}; got {value!r}.{suggest(str(value), known)}"
        )


def check_span(span: tuple[float, float]) -> tuple[float, float]:
    """Return the two ends of an axis as numbers, or say what is wrong with them."""
    try:
        low, high = map(float, span)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not (np.isfinite([low, high]).all() and low < high):
        raise ParameterError(f"plot: the range must be two finite numbers, the lower first; got {span!r}.")
    return low, high


def _horizontal(slices: Sequence[Slice], against: str) -> str:
    """Return the text of the horizontal axis, or say why the losses have none in common."""
    abouts = {(one.kind, one.reading, one.classes, one.target): one for one in slices}
    if len(abouts) > 1:
        told = "; ".join(f"{legend_of(one.loss)} takes a {one.about}" for one in abouts.values())
        hint = " Draw them one by one"
        if all(one.labels or one.reading == "prediction" for one in slices):
            hint += ", or against the probability of the true class (against='probability')"
        raise ParameterError(
            f"plot: losses in one picture must take the same kind of prediction. {told}.{hint}."
        )
    (one,) = abouts.values()
    if against == "error":
        if one.reading != "prediction" or one.kind != "number" or not np.isinf(one.domain).all():
            raise ParameterError(
                f"plot: {legend_of(one.loss)} compares no prediction with a target by an error; it takes a "
                f"{one.about}. Draw it against='prediction'."
            )
        return "error = prediction − target, in the target's unit"
    unit = " (in the target's unit)" if one.about.startswith("prediction,") else ""
    told = list(dict.fromkeys(one.about.replace(", alone in its batch", "") for one in slices))
    return " or ".join([text.partition(",")[0] for text in told[:-1]] + told[-1:]) + unit


def _span(slices: Sequence[Slice], shift: float) -> tuple[float, float]:
    spans = np.array([one.span for one in slices]) - shift
    return float(spans[:, 0].min()), float(spans[:, 1].max())


def _line(
    function: Callable[[np.ndarray], np.ndarray],
    one: Slice,
    span: tuple[float, float],
    label: str,
    number: int,
    shift: float = 0.0,
) -> Line:
    low, high = max(span[0], one.domain[0] - shift), min(span[1], one.domain[1] - shift)
    if not low < high:
        raise ParameterError(
            f"plot: the range must reach into the predictions of {label}, {one.domain}; got {span}."
        )
    x, y, jumps = sampled(lambda x: function(x + shift), np.linspace(low, high, POINTS))
    if not np.isfinite(y).any():
        raise ParameterError(
            f"plot: {label} must be finite somewhere between {low + shift:g} and {high + shift:g}, for a "
            f"target of {one.target:g}; it is not. Choose another target or range."
        )
    return Line(label, x, y, jumps, number)


# --- against the probability of the true class -------------------------------------------------------------
class Reading(NamedTuple):
    """A loss as a function of the logit z of the true class, or of its probability p = σ(z).

    Attributes:
        value: takes z and p, and returns the loss.
        delta: takes z and p, and returns its derivative by z: what backpropagation carries on.
    """

    label: str
    value: Callable[[np.ndarray, np.ndarray], np.ndarray]
    delta: Callable[[np.ndarray, np.ndarray], np.ndarray]


def draw_by_probability(
    losses: Loss | Sequence[Loss],
    against: str = "probability",
    span: tuple[float, float] | None = None,
    ax: "Sequence[Axes] | None" = None,
) -> "list[Axes]":
    """Draw losses for classes against the probability of the true class, or its logit; and δ below.

    δ is the derivative by the logit z, before the sigmoid or softmax that makes it a probability. A loss that
    takes logits is given z. Any other is given p = σ(z), so that its δ has the sigmoid folded in: that of the
    squared error vanishes where the answer is surely wrong, and that of cross-entropy is p - 1. A loss for
    numbers is drawn a second time without sigmoid, where its δ is its own gradient.

    Args:
        losses: one loss or several, for classes, labels or real numbers.
        against: "probability" or "logit".
        span: the ends of the horizontal axis.
        ax: the two panels; by default those of a figure of their own.

    Returns:
        The panels: value and δ.

    Raises:
        ParameterError: a loss is not one for classes, or an argument is not as described.
        BackendError: matplotlib is missing.

    Examples:
        >>> import amiss
        >>> _, delta = draw_by_probability(amiss.BinaryCrossEntropy())
        >>> line = delta.lines[0]
        >>> float(np.interp(0.25, line.get_xdata(), line.get_ydata()).round(4))  # p - 1
        -0.75
    """
    losses = _several(losses)
    _known("against", against, ("probability", "logit"))
    readings = [_reading(loss) for loss in losses]
    by_p = against == "probability"
    plain = [_without_sigmoid(loss) for loss in losses if by_p and _for_numbers(slice_of(loss))]
    low, high = ((0.0, 1.0) if by_p else (-8.0, 8.0)) if span is None else check_span(span)
    if by_p and not (low >= 0 and high <= 1):
        raise ParameterError(f"plot: the range must lie in [0, 1], as probabilities do; got {span!r}.")
    with style():
        panels = axes_for(ax, 2)
        x = _probabilities(low, high) if by_p else np.linspace(low, high, POINTS)
        panels[0].set_ylabel(NAMES["value"] + units_of(losses, "value"))
        panels[1].set_ylabel(r"$\delta$ = ∂ loss / ∂ logit")
        for quantity, panel in zip(("value", "delta"), panels, strict=True):
            drawn = readings if quantity == "value" else readings + plain
            lines = [
                Line(
                    one.label,
                    *sampled(partial(_at, getattr(one, quantity), by_p), x, exact=not by_p),
                    number=n,
                    rings=one in plain,
                )
                for n, one in enumerate(drawn)
            ]
            draw_lines(panel, lines)
            panel.set_xlim(low, high)
        what = "probability $p$ of the true class" if by_p else "logit $z$ of the true class"
        panels[1].set_xlabel(f"{what}, with $p = \\sigma(z)$")
        legend(panels[0], panels[1].get_legend_handles_labels()[0], grow=ax is None)
    return panels


def _probabilities(low: float, high: float) -> np.ndarray:
    """Return probabilities that lie close where a logarithm is steep, without 0 and 1."""
    z = np.linspace(-16.0, 16.0, 2 * POINTS - 1)
    p = np.concatenate([_sigmoid(z), np.linspace(low, high, POINTS)])
    return np.unique(p[(p >= max(low, 1e-7)) & (p <= min(high, 1 - 1e-7))])


def _at(function: Callable, by_p: bool, x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return function(np.log(x) - np.log1p(-x), x) if by_p else function(x, _sigmoid(x))


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return ACTIVATIONS["sigmoid"].forward(namespace_of(z), z)


def _through_sigmoid(gradient: np.ndarray, p: np.ndarray) -> np.ndarray:
    return ACTIVATIONS["sigmoid"].backward(namespace_of(p), gradient, p)


def _for_numbers(one: Slice) -> bool:
    return one.kind == "number" and one.reading == "prediction" and bool(np.isinf(one.domain).all())


def _reading(loss: Loss) -> Reading:
    """Return the loss of a true class, of two; with the sigmoid before it, if it does not take logits."""
    one, label = slice_of(loss, classes=2), legend_of(loss)
    number = all(term.target_domain.everything for term in terms(loss))
    if one.kind == "row" or not (one.labels or (number and _for_numbers(one))):
        raise ParameterError(
            f"plot: {label} must be a loss for classes, labels or real numbers to be drawn against a "
            f"probability; it takes {one.about}."
        )
    if one.kind == "class":
        return _reading_of_classes(one, label)
    if one.reading == "score":
        return Reading(label, lambda z, p: one("value", z), lambda z, p: one("gradient", z))
    if not one.labels:
        one = slice_of(loss, 1.0)
    return Reading(
        f"{f'({label})' if ' + ' in label else label} of σ(z)",
        lambda z, p: one("value", p),
        lambda z, p: _through_sigmoid(one("gradient", p), p),
    )


def _reading_of_classes(one: Slice, label: str) -> Reading:
    """Return a loss over K classes, the others of which share what is left: then softmax is a sigmoid."""
    offset = np.log(one.classes - 1)
    if one.reading == "logit":  # against others of logit 0
        return Reading(label, lambda z, p: one("value", z + offset), lambda z, p: one("gradient", z + offset))
    log = one.reading == "log-probability"

    def delta(_: np.ndarray, p: np.ndarray) -> np.ndarray:
        rows = one.predictions(np.log(p) if log else p)
        slopes = np.array([one.loss.gradient(row[None], one.targets(), reduction="sum")[0] for row in rows])
        shares = np.exp(rows) if log else rows
        by_share = slopes / shares if log else slopes
        return ACTIVATIONS["softmax"].backward(namespace_of(shares), by_share, shares)[:, 0]

    return Reading(
        f"{label} of softmax(z)" if not log else label,
        lambda z, p: one("value", np.log(p) if log else p),
        delta,
    )


def _without_sigmoid(loss: Loss) -> Reading:
    one = slice_of(loss, 1.0)
    return Reading(f"{legend_of(loss)}, no σ", lambda z, p: one("value", p), lambda z, p: one("gradient", p))
