"""One item of a loss while its prediction moves along a line: what is drawn, without a figure."""

import inspect
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from amiss.core import LOG_PROBABILITY, PROBABILITY, BatchLoss, ClassItems, Combination, Loss
from amiss.core.errors import ParameterError
from amiss.core.items import RowItems
from amiss.naming import label_of

__all__ = ["Slice", "legend_of", "slice_of", "units_of"]


@dataclass(frozen=True)
class Slice:
    """One item of a loss, whose prediction moves along a line while the target stays.

    Attributes:
        loss: the loss, as it is drawn: classes lie on the last axis, no class index is ignored.
        kind: "number", "row" or "class": what an item is.
        target: a number; of classes the probability of the true one.
        classes: how many, where an item is of classes.
    """

    loss: Loss
    kind: str
    target: float
    classes: int = 0

    @property
    def members(self) -> tuple[float, ...]:
        """The only predictions that have a meaning, if they are few, in order."""
        return tuple(sorted(terms(self.loss)[0].prediction_domain.members or ()))

    @property
    def domain(self) -> tuple[float, float]:
        """The ends of the predictions that have a meaning to every term."""
        if self.members:
            return self.members[0], self.members[-1]
        domains = [term.prediction_domain for term in terms(self.loss)]
        return max(domain.low for domain in domains), min(domain.high for domain in domains)

    @property
    def labels(self) -> bool:
        """Whether targets are labels, or probabilities of labels, and not measured numbers."""
        return self.kind == "class" or math.isfinite(_largest(self.loss))

    @property
    def signs(self) -> bool:
        """Whether the labels are -1 and +1."""
        return -1.0 in (terms(self.loss)[0].target_domain.members or ())

    @property
    def reading(self) -> str:
        """What the prediction is: probability, log-probability, logit, score, or prediction."""
        first = terms(self.loss)[0]
        if first.prediction_domain == PROBABILITY:
            return "probability"
        if first.prediction_domain == LOG_PROBABILITY:
            return "log-probability"
        if self.kind == "class":
            return "logit"
        return "score" if self.labels else "prediction"

    @property
    def _name(self) -> str:
        if self.reading == "prediction" and not _bounded(self.loss):
            return self.reading  # without a look at facts, which may have to be measured
        link = terms(self.loss)[0].facts.link
        if link == "log" and self.reading == "prediction":
            return "logarithm of the predicted mean"
        return "logit" if link == "logit" and self.reading == "score" else self.reading

    @property
    def about(self) -> str:
        """What the moving number is, and what stays."""
        if self.kind == "class":
            label = "" if self.target == 1 else f", for a target of {self.target:g}"
            text = f"{self.reading} of the true class, of {self.classes} classes{label}"
        elif self.kind == "row":
            text = "x in the prediction (x, 1), for a target of (1, 0)"
        else:
            text = f"{self._name}, for a target of {self.target:g}"
        return text + ", alone in its batch" * any(isinstance(term, BatchLoss) for term in terms(self.loss))

    @property
    def span(self) -> tuple[float, float]:
        """The predictions to look at: a few units around the target, or all of a bounded domain."""
        low, high = self.domain
        if math.isfinite(low) and math.isfinite(high):
            return low, high
        if math.isfinite(high):
            return high - 5.0, high
        if math.isfinite(low):
            return low, low + max(4.0, 2.5 * self.target)
        centre = 0.0 if self.labels or self.kind == "row" or _bounded(self.loss) else self.target
        numbers = [
            value
            for term in terms(self.loss)
            if is_dataclass(term)
            for value in vars(term).values()
            if isinstance(value, float)
        ]
        largest = max([1.0, *numbers])
        reach = 3.0 + largest if self.labels else 4.0 * largest
        return centre - reach, centre + reach

    def inside(self, points: int) -> np.ndarray:
        """Return predictions over the span, 1 % away from the domain's ends, where a loss may be infinite."""
        if self.members:
            return np.array(self.members)
        span, domain = np.array(self.span), self.domain
        step = 0.01 * (span[1] - span[0])
        return np.linspace(
            span[0] + step * (span[0] == domain[0]), span[1] - step * (span[1] == domain[1]), points
        )

    def __call__(self, quantity: str, x: Any) -> np.ndarray:
        """Return "value", "gradient" or "hessian" of the item at each prediction of x.

        A derivative is that by the number that moves. Where a prediction has no meaning there is NaN.

        Examples:
            >>> import amiss
            >>> slice_of(amiss.SquaredError(), target=1.0)("gradient", [3.0])  # 2 * (3 - 1)
            array([4.])
        """
        method = self.loss if quantity == "value" else getattr(self.loss, quantity)
        x = np.asarray(x, float)
        known = np.all([term.prediction_domain.contains(x) for term in terms(self.loss)], axis=0)
        found, target = np.full(x.shape, np.nan), self.targets()
        with np.errstate(all="ignore"):
            for place, row in zip(np.flatnonzero(known), self.predictions(x[known]), strict=True):
                found[place] = np.asarray(method(row[None], target, reduction="sum")).flat[0]
        return found

    def predictions(self, x: np.ndarray) -> np.ndarray:
        """Return one prediction for each number: itself, or a row in which it stands first."""
        if self.kind == "number":
            return x
        if self.kind == "row":
            return np.stack([x, np.ones_like(x)], axis=1)
        others = self.classes - 1
        if self.reading == "probability":
            rest = (1.0 - x) / others
        elif self.reading == "log-probability":
            with np.errstate(divide="ignore"):
                rest = np.log(-np.expm1(x) / others)
        else:
            rest = np.zeros_like(x)
        return np.stack([x] + [rest] * others, axis=1)

    def targets(self) -> np.ndarray:
        """Return the target of one item, as a batch."""
        if self.kind == "number":
            return np.array([self.target])
        if self.kind == "row":
            return np.array([[1.0, 0.0]])
        others = self.classes - 1
        return np.array([[self.target] + [(1.0 - self.target) / others] * others])


def slice_of(loss: Loss, target: float | None = None, classes: int = 3) -> Slice:
    """Return one item of a loss, ready to be asked for its numbers along a line.

    Args:
        loss: any loss; a sum must have terms of one kind.
        target: a number that the loss takes; for classes the probability of the true one. By default 0,
            or 3 for counts, or the label 1.
        classes: how many classes are drawn, unless the loss has a weight for each.

    Raises:
        ParameterError: the loss is no loss, its terms differ in what an item is, or the target does not fit.

    Examples:
        >>> import amiss
        >>> slice_of(amiss.Hinge()).about
        'score, for a target of 1'
        >>> slice_of(amiss.CrossEntropy())("value", [0.0]).round(6)  # log 3
        array([1.098612])
    """
    if not isinstance(loss, Loss) or not all(hasattr(term, "prediction_domain") for term in terms(loss)):
        raise ParameterError(
            f"plot: loss must be one given by formulas, such as amiss.Huber(); got {loss!r}."
        )
    kinds = {_kind(term) for term in terms(loss)}
    domains = {term.prediction_domain for term in terms(loss)}
    if len(kinds) > 1 or len(domains) > 1:
        raise ParameterError(
            f"plot: the terms of {legend_of(loss)} must take the same predictions. Draw them one by one."
        )
    (kind,) = kinds
    if kind == "row" and target is not None:
        raise ParameterError(
            f"plot: {legend_of(loss)} takes rows, which are drawn for the target (1, 0); got {target!r}. "
            "Leave the target out."
        )
    weights = [getattr(term, "class_weight", None) for term in terms(loss)]
    classes = next((len(weight) for weight in weights if weight), classes)
    chosen = _default_target(loss, kind) if target is None else _number(target)
    if kind == "class" and not 0 <= chosen <= 1:
        raise ParameterError(
            f"plot: target must be the probability of the true class, in [0, 1], for {legend_of(loss)}; "
            f"got {chosen:g}."
        )
    made = Slice(_plain(loss), kind, chosen, classes if kind == "class" else 0)
    values = made("value", made.inside(9))  # the loss says what is wrong with the target
    if np.isfinite(values).mean() < 0.3 and target is None and kind == "number":
        return slice_of(loss, 1.0)  # such as a loss with the logarithm of the target
    return made


def terms(loss: Loss) -> list[Any]:
    """Return the losses that a loss is a sum of; itself, where it is none."""
    return [term for _, term in loss.parts] if isinstance(loss, Combination) else [loss]


def _kind(loss: Loss) -> str:
    return "class" if isinstance(loss, ClassItems) else "row" if isinstance(loss, RowItems) else "number"


def _plain(loss: Any) -> Loss:
    """Return the loss with its classes on the last axis, and no class ignored: the layout of a drawing."""
    if isinstance(loss, Combination):
        return Combination(tuple((factor, _plain(term)) for factor, term in loss.parts))
    given = {"axis": -1, "ignore_index": None}
    known = {field.name for field in fields(loss)} if is_dataclass(loss) else set()
    changed = {name: value for name, value in given.items() if name in known}
    return replace(loss, **changed) if changed else loss


def _largest(loss: Loss) -> float:
    domain = terms(loss)[0].target_domain
    return float(max(domain.members) if domain.members else domain.high)


def _bounded(loss: Loss) -> bool:
    return not terms(loss)[0].target_domain.everything


def _default_target(loss: Loss, kind: str) -> float:
    """Return 0 for real numbers, 3 for counts, else the largest, such as the label 1."""
    if kind == "class":
        return 1.0
    largest = _largest(loss)
    if math.isfinite(largest):
        return largest
    return 3.0 if _bounded(loss) else 0.0


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ParameterError(f"plot: target must be a finite number; got {value!r}.")
    return number


def legend_of(loss: Loss) -> str:
    """Return a loss in a text for a legend."""
    return label_of(loss, short=True)


def units_of(losses: Sequence[Loss], quantity: str) -> str:
    r"""Return the unit that the losses state for a quantity, in brackets; nothing where they state none.

    Examples:
        >>> import amiss
        >>> units_of([amiss.CrossEntropy(), amiss.BinaryCrossEntropy()], "value")
        ' (nats)'
        >>> units_of([amiss.SquaredError(), amiss.AbsoluteError()], "value")
        '\n(each in its own unit)'
    """
    stated = {_unit(term, quantity) for loss in losses for term in terms(loss)}
    if len(stated) > 1:
        return "\n(each in its own unit)"
    unit = stated.pop()
    return f"{' ' if len(unit) < 12 else chr(10)}({unit})" if unit else ""


def _unit(loss: Loss, quantity: str) -> str:
    text = " ".join(inspect.cleandoc(type(loss).__doc__ or "").partition("\nUnits:\n")[2].split())
    found = re.search(rf"\b{quantity}: ([^.,;]*)", text.partition(" Notes:")[0])
    unit = found[1].strip() if found else ""
    if re.fullmatch(r"none|[\d.]+( .*)?", unit) or unit.startswith("0 "):
        return ""
    return re.sub(r"^that of the (\w+)", r"unit of the \1", unit)
