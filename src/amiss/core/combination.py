"""Sums and multiples of losses, which are losses again."""

from dataclasses import dataclass
from typing import Any

from amiss.arrays import Array
from amiss.core.errors import ParameterError, ShapeError
from amiss.core.facts import Facts
from amiss.core.inputs import fill, outputs
from amiss.core.loss import Loss
from amiss.core.reduction import Total

__all__ = ["Combination", "CombinedTotal"]


@dataclass(frozen=True, repr=False)
class Combination(Loss):
    """A weighted sum of losses; each term is reduced by its own divisor, then they are added.

    Args:
        parts: pairs of a coefficient and a loss. Equal losses are merged.

    Examples:
        >>> import amiss
        >>> loss = 0.5 * amiss.SquaredError() + 2 * amiss.AbsoluteError()
        >>> loss
        0.5 * SquaredError() + 2.0 * AbsoluteError()
        >>> float(loss([3.0], [0.0]))  # 0.5 * 9 + 2 * 3
        10.5
    """

    parts: tuple[tuple[float, Loss], ...]

    def __post_init__(self) -> None:
        merged: dict[Loss, float] = {}
        for factor, loss in self.parts:
            inner = loss.parts if isinstance(loss, Combination) else ((1.0, loss),)
            for coefficient, term in inner:
                merged[term] = merged.get(term, 0.0) + factor * coefficient
        object.__setattr__(self, "parts", tuple((factor, loss) for loss, factor in merged.items()))

    def __repr__(self) -> str:
        return " + ".join(f"{factor!r} * {loss!r}" for factor, loss in self.parts)

    def __add__(self, other: Loss) -> "Combination":
        if not isinstance(other, Loss):
            return NotImplemented
        return Combination((*self.parts, (1.0, other)))

    def terms(
        self,
        prediction: Array,
        target: Array,
        weight: Array | None = None,
        reduction: str = "mean",
        normalizer: Any = None,
        empty: str = "nan",
    ) -> dict[str, Array]:
        """Return each term with its coefficient, named by its text; they add up to the loss.

        Examples:
            >>> import amiss
            >>> loss = 0.5 * amiss.SquaredError() + 2 * amiss.AbsoluteError()
            >>> {name: float(value) for name, value in loss.terms([3.0], [0.0]).items()}
            {'0.5 * SquaredError()': 4.5, '2.0 * AbsoluteError()': 6.0}
        """
        return {
            f"{factor!r} * {loss!r}": factor * loss(prediction, target, weight, reduction, normalizer, empty)
            for factor, loss in self.parts
        }

    def _compute(
        self,
        wanted: tuple[str, ...],
        prediction: Array,
        target: Array,
        weight: Array | None,
        reduction: str,
        normalizer: Any,
        empty: str,
        direction: Array | None = None,
        out: dict[str, Array | None] | None = None,
    ) -> tuple[Array, ...]:
        sums: list[Array] = []
        for factor, loss in self.parts:
            results = loss._compute(
                wanted, prediction, target, weight, reduction, normalizer, empty, direction
            )
            results = tuple(factor * result for result in results)
            if sums and any(a.shape != b.shape for a, b in zip(sums, results, strict=True)):
                raise ShapeError(
                    f"{self!r}: the terms must have one number per item alike to be added unreduced; "
                    "ask for reduction='mean' or 'sum'."
                )
            sums = [a + b for a, b in zip(sums, results, strict=True)] if sums else list(results)
        if not out or all(array is None for array in out.values()):
            return tuple(sums)
        dtype = next(
            result.dtype for quantity, result in zip(wanted, sums, strict=True) if quantity != "value"
        )
        return fill(outputs(repr(self), prediction, dtype, out), wanted, tuple(sums))

    def error(self, prediction: Array, target: Array) -> Array:
        """Return the error of the first term."""
        return self.parts[0][1].error(prediction, target)

    def total(self, prediction: Array, target: Array, weight: Array | None = None) -> "CombinedTotal":  # type: ignore[override]
        """Return the totals of the terms together; they add term by term."""
        totals = tuple(loss.total(prediction, target, weight) for _, loss in self.parts)
        return CombinedTotal(tuple(factor for factor, _ in self.parts), totals)

    def total_weight(self, target: Array, weight: Array | None = None) -> Array:
        """Return the divisor of the only term.

        Raises:
            ParameterError: there are several terms, each with a divisor of its own.
        """
        if len(self.parts) != 1:
            raise ParameterError(
                f"{self!r}: total_weight must be asked of one loss; got {len(self.parts)} terms, each with a "
                "divisor of its own. Ask the terms."
            )
        return self.parts[0][1].total_weight(target, weight)

    @property
    def facts(self) -> Facts:
        """What follows from the facts of the terms."""
        parts = [part for part in self.parts if part[0] != 0.0] or self.parts[:1]
        each = [(factor, loss.facts) for factor, loss in parts]
        rough = [fact.differentiable for _, fact in each if fact.differentiable != "everywhere"]
        flat = all(fact.hessian == "zero almost everywhere" for _, fact in each)
        positive = all(factor >= 0 for factor, _ in each)
        return Facts(
            convex=positive and all(fact.convex for _, fact in each),
            minimiser=each[0][1].minimiser if len(each) == 1 and positive else "depends on the terms",
            lipschitz=_added([(factor, fact.lipschitz) for factor, fact in each]),
            smoothness=_added([(factor, fact.smoothness) for factor, fact in each]),
            differentiable="; ".join(rough) or "everywhere",
            lower_bound=sum(factor * fact.lower_bound for factor, fact in each)
            if positive
            else -float("inf"),
            zero_at_perfection=all(fact.zero_at_perfection for _, fact in each),
            monotone=positive and all(fact.monotone for _, fact in each),
            symmetric=all(fact.symmetric for _, fact in each),
            likelihood=each[0][1].likelihood if len(each) == 1 and positive else None,
            link=each[0][1].link,
            hessian="zero almost everywhere" if flat else "exact",
        )

    def expression(self, quantity: str = "value") -> Any:
        """Return the sum of the terms' expressions."""
        from sympy import nsimplify

        return sum(nsimplify(factor) * loss.expression(quantity) for factor, loss in self.parts)


def _added(bounds: list[tuple[float, float | None]]) -> float | None:
    """Return the bound of a weighted sum, None if one of the bounds is not known."""
    if any(bound is None for factor, bound in bounds if factor):
        return None
    return sum(abs(factor) * bound for factor, bound in bounds if factor and bound is not None)


@dataclass(frozen=True)
class CombinedTotal:
    """The totals of the terms of a combination; they add term by term, since each has its own divisor.

    Examples:
        >>> import amiss
        >>> loss = 2 * amiss.AbsoluteError() + amiss.SquaredError()
        >>> float((loss.total([1.0], [0.0]) + loss.total([3.0], [0.0])).mean)  # 2 * 4/2 + 10/2
        9.0
    """

    factors: tuple[float, ...]
    totals: tuple[Total, ...]

    def __add__(self, other: "CombinedTotal") -> "CombinedTotal":
        if not isinstance(other, CombinedTotal) or other.factors != self.factors:
            return NotImplemented
        added = tuple(a + b for a, b in zip(self.totals, other.totals, strict=True))
        return CombinedTotal(self.factors, added)

    def __radd__(self, other: Any) -> "CombinedTotal":
        """Let the builtin `sum` of totals start from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def all_reduce(self, group: Any = None) -> "CombinedTotal":
        """Return the totals over the processes of a group, for reports: no gradient passes through them.

        Every process must call it, and each gets the same. Without `torch.distributed` they are these totals.

        Args:
            group: a process group of `torch.distributed`; None stands for all processes.

        Examples:
            >>> import amiss
            >>> loss = 2 * amiss.AbsoluteError() + amiss.SquaredError()
            >>> float(loss.total([3.0], [0.0]).all_reduce().mean)  # 2 * 3 + 9
            15.0
        """
        return CombinedTotal(self.factors, tuple(total.all_reduce(group) for total in self.totals))

    @property
    def mean(self) -> Any:
        """The combined mean over everything counted so far."""
        return sum(factor * total.mean for factor, total in zip(self.factors, self.totals, strict=True))
