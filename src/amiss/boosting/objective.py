"""Gradient and Hessian of each row for a tree, and what to do where the Hessian is no curvature."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from amiss import kernels
from amiss.boosting.losses import check_boostable, name_of, over_rows
from amiss.boosting.scores import as_target, initial_score, inverse_link
from amiss.core import Loss
from amiss.core.errors import DomainError, ParameterError, suggest

__all__ = ["FLOOR", "POLICIES", "BuiltIn", "Objective"]

FLOOR = 1e-16
"""The least Hessian of a row: XGBoost's own."""

POLICIES = ("native", "exact", "gauss_newton", "abs")


@dataclass(frozen=True)
class BuiltIn:
    """What a booster's own objective makes of the derivatives of a loss.

    Args:
        scale: how often it counts the loss: ½ where it minimises half the squared error.
        curvature: by what it multiplies the Hessian besides; a function of the number of columns of the
            scores.
        flat: whether it takes 1 for the Hessian of every row instead.
    """

    scale: float = 1.0
    curvature: Callable[[int], float] = lambda columns: 1.0
    flat: bool = False


@dataclass(frozen=True)
class Objective:
    """The derivatives that a booster asks for, of a loss of raw scores.

    A tree's leaf moves its rows by -Σ gradient / (Σ Hessian + λ). What counts as the Hessian is named:

    Args:
        loss: a loss of each row by itself, of any real number.
        hessian: "native": what the booster's own objective takes for this loss; where it has none, 1 if the
            second derivative is zero almost everywhere, else "gauss_newton", or "exact" of a loss without a
            lower bound. "exact": the second derivative. "abs": its size. "gauss_newton": the loss is read as
            half the square of a residual, of which only the first derivative is kept:
            gradient² / (2 (value - lower bound)), never negative.
        floor: the least Hessian of a row of weight 1. A Hessian that is not positive counts as that, and a
            warning says so once.

    Raises:
        ParameterError: a tree cannot minimise the loss, or the policy has no meaning for it.
    """

    loss: Loss
    hessian: str = "native"
    floor: float = FLOOR
    _said: list[bool] = field(default_factory=list, init=False, repr=False, compare=False)

    booster: ClassVar[str] = "boosting"
    dtype: ClassVar[type] = np.float64
    """In which a booster keeps derivatives: what it rounds anyway need not be written in long numbers."""

    built_in: ClassVar[Mapping[type, BuiltIn]] = {}
    """What the booster's own objectives do, by loss, where it is not the loss's own derivatives."""

    def __post_init__(self) -> None:
        owner = f"{self.booster}.objective"
        check_boostable(owner, self.loss)
        if self.hessian not in POLICIES:
            raise ParameterError(
                f"{owner}: hessian must be one of {', '.join(POLICIES)}; got {self.hessian!r}."
                f"{suggest(str(self.hessian), POLICIES)}"
            )
        if (
            isinstance(self.floor, bool)
            or not isinstance(self.floor, int | float)
            or not 0 < self.floor < math.inf
        ):
            raise ParameterError(f"{owner}: floor must be a positive number; got {self.floor!r}.")
        facts = self.loss.facts
        if facts.hessian != "exact" and self.hessian in ("exact", "abs"):
            raise ParameterError(
                f"{owner}: hessian must not be {self.hessian!r} for {name_of(self.loss)}, whose second "
                "derivative "
                'is zero almost everywhere. Take "native" or "gauss_newton".'
            )
        if self.hessian == "gauss_newton" and not math.isfinite(facts.lower_bound):
            raise ParameterError(
                f'{owner}: hessian must not be "gauss_newton" for {name_of(self.loss)}, which has no lower '
                'bound and so is no half of a square. Take "exact".'
            )

    def initial_score(self, target: Any, weight: Any = None) -> Any:
        """Return the best constant score, from which the trees start.

        Targets and weights are rounded to float32 first, as every booster stores them.
        """
        target, weight = np.asarray(target), None if weight is None else np.asarray(weight, dtype=np.float32)
        stored = target.astype(np.float32) if target.dtype.kind == "f" else target
        return initial_score(self.loss, stored, weight)

    def inverse_link(self, score: Any) -> Any:
        """Return what raw scores mean: a mean, a rate, a probability, a row of them."""
        return inverse_link(self.loss, score)

    def derivatives(
        self, score: np.ndarray, target: Any, weight: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient and Hessian of each score, both times the weight of their row.

        Args:
            score: (n,), or (n, K) with one column for each class.
            target: (n,), or of the shape of the scores.
            weight: (n,) or None.

        Raises:
            ShapeError, DomainError: scores, targets or weights do not fit the loss, or a derivative is not
                finite.

        Examples:
            >>> import amiss
            >>> squared = Objective(amiss.SquaredError())
            >>> squared.derivatives(np.array([3.0, 1.0]), [1.0, 1.0])  # 2 * error, 2
            (array([4., 0.]), array([2., 2.]))
            >>> absolute = Objective(amiss.AbsoluteError(), "gauss_newton")
            >>> absolute.derivatives(np.array([3.0]), [1.0])  # 1, 1 / (2 * 2)
            (array([1.]), array([0.25]))
        """
        target = as_target(self.loss, score, target)
        gradient, hessian = self._curved(score, target, weight)
        return gradient, self._positive(gradient, hessian, weight)

    @property
    def policy(self) -> str:
        """What a Hessian is made by: "native" only where the booster has an objective for this loss."""
        if self.hessian != "native" or type(self.loss) in self.built_in:
            return self.hessian
        if self.loss.facts.hessian != "exact":
            return "flat"
        return "gauss_newton" if math.isfinite(self.loss.facts.lower_bound) else "exact"

    def _curved(self, score: np.ndarray, target: Any, weight: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted gradient, and the Hessian of the policy."""
        own = self.built_in[type(self.loss)] if self.policy == "native" else BuiltIn()
        gradient, hessian = self._scaled(score, target, weight, own.scale)
        each = _each(weight, score.ndim)
        match self.policy:
            case "abs":
                return gradient, np.abs(hessian)
            case "flat":
                return gradient, np.full_like(gradient, 1.0) * each.astype(gradient.dtype)
            case "gauss_newton":
                value = self.loss(score, target, weight, "none")
                above = value.reshape(*value.shape, *(1,) * (score.ndim - value.ndim))
                above = above - self.loss.facts.lower_bound * each.astype(gradient.dtype)
                at_least = above <= 0.0  # in the limit it is the second derivative
                square = gradient * gradient / np.where(at_least, 1.0, 2.0 * above)
                return gradient, np.where(at_least, hessian, square)
            case "native":
                if own.flat:
                    hessian[...] = own.scale * each
                elif own.curvature(score.shape[-1]) != 1.0:
                    hessian *= own.curvature(score.shape[-1])
        return gradient, hessian

    def _scaled(
        self, score: np.ndarray, target: Any, weight: Any, scale: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the derivatives of the loss, each times the weight of its row and `scale`."""
        if not over_rows(self.loss) and self.policy in ("native", "exact"):  # one pass, if it has a kernel
            kernel, wanted = getattr(self.loss, "_kernel", None), ("gradient", "hessian")
            given = kernels.evaluate(kernel, wanted, score, target, weight, 1.0 / scale, dtype=self.dtype)
            if given is not None:
                return given
        gradient, hessian = self.loss.gradient_and_hessian(score, target, weight, "sum")
        return (gradient, hessian) if scale == 1.0 else (gradient * scale, hessian * scale)

    def _positive(self, gradient: np.ndarray, hessian: np.ndarray, weight: Any) -> np.ndarray:
        """Return the Hessian with its floor, and say it once if there was none."""
        if not hessian.size:
            return hessian
        least = float(hessian.min())
        if not (math.isfinite(least) and math.isfinite(kernels.total(gradient))):
            self._raise_not_finite(gradient, hessian)
        if weight is None and least >= self.floor:
            return hessian
        each = _each(weight, hessian.ndim)
        lowest = (self.floor * each).astype(hessian.dtype)
        flat = hessian < lowest
        # At 0 of Gauss-Newton the gradient is 0 too: the row is where it wants to be.
        if flat.any() and self.policy != "gauss_newton" and not self._said:
            self._said.append(True)
            helps = math.isfinite(self.loss.facts.lower_bound)
            remedy = ' hessian="gauss_newton" is never negative.' if helps else ""
            warnings.warn(
                f"{name_of(self.loss)}: {int(flat.sum())} of {hessian.size} Hessians are not positive: below "
                f"{self.floor:g}, which they count as (hessian={self.hessian!r}; said once).{remedy}",
                RuntimeWarning,
                stacklevel=3,
            )
        return np.maximum(hessian, lowest)

    def _raise_not_finite(self, gradient: np.ndarray, hessian: np.ndarray) -> None:
        wrong = ~(np.isfinite(gradient) & np.isfinite(hessian))
        row = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
        raise DomainError(
            f"{name_of(self.loss)}: gradient and Hessian must be finite; got {gradient[row]} and "
            f"{hessian[row]} in row {row}. Scores ran away or a label is missing: take a smaller learning "
            "rate, or look at the labels."
        )


def _each(weight: Any, axes: int) -> np.ndarray:
    """Return the weights of rows, to be multiplied with an array of so many axes."""
    if weight is None:
        return np.ones(())
    weight = np.asarray(weight)
    return weight.reshape(weight.shape + (1,) * (axes - weight.ndim))
