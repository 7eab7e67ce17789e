"""Losses that couple the items of a batch: one number for all of them."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from amiss.arrays import Array, namespace_of
from amiss.core.bases import FormulaLoss
from amiss.core.errors import ParameterError
from amiss.core.inputs import Batch, fill, outputs
from amiss.core.items import ClassItems
from amiss.core.loss import Loss
from amiss.core.reduction import Reduction, over_processes, weight_of

__all__ = ["BatchLoss", "BatchTotal"]


@dataclass(frozen=True)
class _Whole:
    """A batch loss as formulas of one single item: the table of all items.

    The weights are the last column of the target: so every library traces and differentiates them as it does
    a target.
    """

    loss: Any

    def _evaluate(self, xp: Any, quantity: str, prediction: Array, target: Array, *extra: Array) -> Array:
        formula = getattr(self.loss, f"_{quantity}")
        result = formula(xp, prediction, target[..., :-1], target[..., -1:], *extra)
        return result[..., 0, 0] if quantity == "value" else result

    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        return xp.total(x * y)

    def _spread(self, xp: Any, item: Array) -> Array:
        return item


class BatchLoss(FormulaLoss):
    """A loss of a whole batch, from sums over its items; it stands before what its items are.

    In a formula the items lie on the last axis but one and their entries on the last, each item has a weight,
    and `xp.over_items` adds up. The value is the same for "mean" and "sum"; there is none per item.
    """

    # --- the formulas ----------------------------------------------------------------------------------
    @abstractmethod
    def _state(self, xp: Any, prediction: Array, target: Array, weight: Array) -> tuple[Array, ...]:
        """Return sums over the items, from which the value follows; those of two batches add."""

    @abstractmethod
    def _join(self, xp: Any, *state: Array) -> Array:
        """Return the value from the sums over the items."""

    def _value(self, xp: Any, prediction: Array, target: Array, weight: Array) -> Array:
        return self._join(xp, *self._state(xp, prediction, target, weight))

    @abstractmethod
    def _gradient(self, xp: Any, prediction: Array, target: Array, weight: Array) -> Array:
        """Return the derivative of the value with respect to every prediction."""

    @abstractmethod
    def _hessian(self, xp: Any, prediction: Array, target: Array, weight: Array) -> Array:
        """Return the diagonal second derivative."""

    @abstractmethod
    def _hessian_product(
        self, xp: Any, prediction: Array, target: Array, weight: Array, direction: Array
    ) -> Array:
        """Return the second derivative times a direction."""

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
        owner = type(self).__name__
        reduce = Reduction(owner, reduction, None, empty)
        if reduction == "none" or normalizer is not None:
            given = f"reduction={reduction!r}" if reduction == "none" else f"normalizer={normalizer!r}"
            raise ParameterError(
                f"{owner}: a loss of the whole batch must be one number, which nothing divides; got {given}. "
                "Leave it out; `total` adds up over micro-batches and ranks."
            )
        batch = self._prepare(prediction, target, weight)
        xp, (table, packed), whole = batch.xp, self._table(batch), _Whole(self)
        extra = () if direction is None else (xp.shaped(self._direction(batch, direction), table),)
        nothing = reduce.nothing(batch, self._template(batch.prediction))
        with xp.quiet():
            results = tuple(
                xp.scalar(xp.where(nothing, reduce.of_nothing, self._valid(batch, value)))
                if quantity == "value"
                else batch.restore(
                    xp.shaped(xp.where(nothing, 0.0, self._valid(batch, value)), batch.prediction)
                )
                for quantity in wanted
                for value in [
                    xp.differentiable(whole, table, packed)
                    if quantity == "value"
                    else whole._evaluate(xp, quantity, table, packed, *extra)
                ]
            )
        return fill(outputs(owner, prediction, batch.dtype, out), wanted, results) if out else results

    def _table(self, batch: Batch) -> tuple[Array, Array]:
        """Return the predictions with one item per row, and the targets with the weights beside them."""
        xp, prediction, target = batch.xp, batch.prediction, batch.target
        weight = xp.ones(self._template(prediction)) if batch.weight is None else batch.weight
        if batch.counted is not None:
            weight = xp.where(batch.counted, weight, 0.0)
        width: Any = 1
        if isinstance(self, ClassItems):
            target, width = self._rows(xp, prediction, target), xp.classes(prediction)
        packed = xp.concatenate(xp.columns(target, width), xp.columns(weight, 1))
        return xp.columns(prediction, width), packed

    def _valid(self, batch: Batch, result: Array) -> Array:
        """Return a result, NaN if some item is not valid: it has a part in every other's derivative."""
        xp = batch.xp
        if batch.valid is None:
            return result
        return xp.where(xp.total(xp.indicator(~batch.valid)) > 0.0, math.nan, result)

    def total(self, prediction: Array, target: Array, weight: Array | None = None) -> "BatchTotal":  # type: ignore[override]
        """Return the sums over the items; those of two batches add, and their mean is that of all items."""
        batch = self._prepare(prediction, target, weight)
        table, packed = self._table(batch)
        xp = batch.xp
        with xp.quiet():
            state = self._state(xp, table, packed[..., :-1], packed[..., -1:])
            state = tuple(self._valid(batch, part) for part in state)
            return BatchTotal(self, state, xp.scalar(weight_of(batch, self._template(batch.prediction))))


@dataclass(frozen=True)
class BatchTotal:
    """The sums of a batch from which its loss follows; they add over micro-batches and ranks.

    Examples:
        >>> import amiss
        >>> loss = amiss.RootMeanSquaredError()
        >>> parts = loss.total([3.0], [0.0]) + loss.total([4.0, 0.0, 0.0], [0.0, 0.0, 0.0])
        >>> float(parts.mean)  # sqrt((9 + 16) / 4)
        2.5
    """

    loss: Loss
    state: tuple[Any, ...]
    weight: Any

    def __add__(self, other: "BatchTotal") -> "BatchTotal":
        if not isinstance(other, BatchTotal) or other.loss != self.loss:
            return NotImplemented
        state = tuple(a + b for a, b in zip(self.state, other.state, strict=True))
        return BatchTotal(self.loss, state, self.weight + other.weight)

    def __radd__(self, other: Any) -> "BatchTotal":
        """Let the builtin `sum` of totals start from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def all_reduce(self, group: Any = None) -> "BatchTotal":
        """Return the total over the processes of a group, for reports: no gradient passes through it.

        Every process must call it, and each gets the same. Without `torch.distributed` it is this total.

        Args:
            group: a process group of `torch.distributed`; None stands for all processes.

        Examples:
            >>> import amiss
            >>> float(amiss.RootMeanSquaredError().total([3.0, 4.0], [0.0, 0.0]).all_reduce().weight)
            2.0
        """
        *state, weight = over_processes((*self.state, self.weight), group)
        return BatchTotal(self.loss, tuple(state), weight)

    @property
    def mean(self) -> Any:
        """The loss of everything counted so far together; NaN over nothing."""
        xp = namespace_of(self.state[0])
        with xp.quiet():
            joined = self.loss._join(xp, *self.state)[..., 0, 0]  # type: ignore[attr-defined]
            return xp.scalar(xp.where(self.weight == 0.0, math.nan, joined))
