"""From one value per item to one number, with a divisor that is stated: the sum of the weights."""

import math
import numbers
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss import kernels
from amiss.core.errors import DomainError, ParameterError
from amiss.core.inputs import Batch

__all__ = ["Reduction", "Total", "over_processes"]

REDUCTIONS = ("mean", "sum", "none")
EMPTY = ("nan", "zero", "raise")
DIVISORS = {"mean": 0.0, "sum": 1.0, "none": None}
"""How a kernel reduces: 0 stands for the sum of the weights, None for one value per entry."""


@dataclass(frozen=True)
class Reduction:
    """How items become one number.

    Args:
        kind: "mean", "sum" or "none".
        normalizer: a divisor for the mean in place of the sum of weights.
        empty: the mean over nothing: "nan", "zero", or "raise" a DomainError.
    """

    owner: str
    kind: str = "mean"
    normalizer: Any = None
    empty: str = "nan"

    def __post_init__(self) -> None:
        if self.kind not in REDUCTIONS:
            raise ParameterError(
                f"{self.owner}: reduction must be one of 'mean', 'sum', 'none'; got {self.kind!r}."
            )
        if self.empty not in EMPTY:
            raise ParameterError(
                f"{self.owner}: empty must be one of 'nan', 'zero', 'raise'; got {self.empty!r}."
            )
        if self.normalizer is None:
            return
        if self.kind != "mean":
            raise ParameterError(
                f"{self.owner}: normalizer must come with reduction='mean'; got reduction={self.kind!r}. "
                "A sum is not divided."
            )
        if isinstance(self.normalizer, numbers.Real) and not 0 < float(self.normalizer) < math.inf:
            raise ParameterError(
                f"{self.owner}: normalizer must be a positive finite number; got {self.normalizer!r}."
            )

    def value(self, batch: Batch, items: Any) -> Any:
        """Return the reduced value of one number per item."""
        xp = batch.xp
        weighted = _weighted(batch, items)
        if self.kind == "none":
            return xp.scalar(weighted)
        total = xp.total(weighted)
        if self.kind == "sum":
            return xp.scalar(total)
        divisor = self._divisor(batch, items)
        nothing = self._is_nothing(xp, divisor)
        divisor = xp.where(nothing, 1.0, divisor)
        mean = total / divisor
        if not (
            xp.visible(total) and math.isfinite(xp.numbers(total))
        ):  # the sum may overflow where the mean does not
            shrunk = xp.total(_weighted(batch, items / divisor))
            mean = xp.where(xp.abs(total) < math.inf, mean, shrunk)
        return xp.scalar(xp.where(nothing, self.of_nothing, mean))

    def value_of_terms(self, batch: Batch, terms: Any) -> Any:
        """Return the reduced value of terms that `factor` has multiplied already."""
        xp = batch.xp
        if self.kind == "none":
            return xp.scalar(terms)
        total = _total(xp, terms)
        if self.kind == "sum":
            return xp.scalar(total)
        return xp.scalar(xp.where(self._is_nothing(xp, self._divisor(batch, terms)), self.of_nothing, total))

    @property
    def of_nothing(self) -> float:
        """The mean over nothing."""
        return 0.0 if self.empty == "zero" else math.nan

    def nothing(self, batch: Batch, items: Any) -> Any:
        """Return whether there is nothing to average."""
        return self._is_nothing(batch.xp, weight_of(batch, items))

    def factor(self, batch: Batch, items: Any) -> Any:
        """Return what multiplies the derivatives of each item; `items` is any array with one per item."""
        xp = batch.xp
        factor = _weighted(batch, xp.ones(items))
        if self.kind != "mean":
            return factor
        divisor = self._divisor(batch, items)
        nothing = self._is_nothing(xp, divisor)
        return xp.where(nothing, 0.0, factor / xp.where(nothing, 1.0, divisor))

    def _divisor(self, batch: Batch, items: Any) -> Any:
        xp = batch.xp
        if self.normalizer is None:
            return weight_of(batch, items)
        if isinstance(self.normalizer, numbers.Real):
            return xp.constant(float(self.normalizer))
        return xp.cast(xp.asarray(self.normalizer))

    def _is_nothing(self, xp: Any, divisor: Any) -> Any:
        nothing = divisor == 0.0
        if self.empty == "raise":
            self._raise_if(xp, nothing)
        return nothing

    def _raise_if(self, xp: Any, nothing: Any) -> None:
        if not xp.readable(nothing):
            raise ParameterError(
                f"{self.owner}: empty='raise' must see the values; this program is traced. Use empty='nan'."
            )
        if bool(nothing):
            raise DomainError(
                f"{self.owner}: a mean must have something to average; got a total weight of 0 (an empty "
                "batch, every target ignored, or all weights zero). Skip this batch, or ask for empty='zero'."
            )


def _weighted(batch: Batch, items: Any) -> Any:
    """Return weight * item, 0 where an item is not counted, NaN where it is not valid."""
    xp = batch.xp
    if batch.weight is not None:
        items = batch.weight * items
    if batch.valid is not None:
        items = items * xp.where(batch.valid, 1.0, math.nan)
    return items if batch.counted is None else xp.where(batch.counted, items, 0.0)


def weight_of(batch: Batch, items: Any) -> Any:
    """Return the divisor of the mean: the sum over the counted items of weight times mass."""
    xp, share = batch.xp, _shares(batch)
    if share is None:
        return xp.count(items)
    return _total(xp, share)


def _total(xp: Any, x: Any) -> Any:
    return xp.dtype.type(kernels.total(x)) if xp.library == "numpy" else xp.total(x)


def _shares(batch: Batch) -> Any:
    """Return what each item adds to the divisor, or None where each adds 1."""
    xp, share = batch.xp, batch.weight
    if batch.mass is not None:
        share = batch.mass if share is None else share * batch.mass
    if batch.counted is None:
        return share
    return xp.indicator(batch.counted) if share is None else xp.where(batch.counted, share, 0.0)


@dataclass(frozen=True)
class Total:
    """A sum of weighted losses and the weight it stands for; totals add over micro-batches and ranks.

    The mean of the sum of totals is the mean over all items together, whatever the sizes of the batches; the
    mean of their means is not.

    Examples:
        >>> (Total(10.0, 2.0) + Total(2.0, 4.0)).mean
        2.0
    """

    sum: Any
    weight: Any

    def __add__(self, other: "Total") -> "Total":
        if not isinstance(other, Total):
            return NotImplemented
        return Total(self.sum + other.sum, self.weight + other.weight)

    def __radd__(self, other: Any) -> "Total":
        """Let the builtin `sum` of totals start from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def all_reduce(self, group: Any = None) -> "Total":
        """Return the total over the processes of a group, for reports: no gradient passes through it.

        Every process must call it, and each gets the same. Without `torch.distributed` it is this total.

        Args:
            group: a process group of `torch.distributed`; None stands for all processes.

        Examples:
            >>> Total(10.0, 2.0).all_reduce().mean  # one process alone
            5.0
        """
        return Total(*over_processes((self.sum, self.weight), group))

    @property
    def mean(self) -> Any:
        """The mean over everything counted so far; NaN over nothing."""
        if isinstance(self.weight, numbers.Real) and self.weight == 0:
            return math.nan
        return self.sum / self.weight


def over_processes(parts: tuple[Any, ...], group: Any = None) -> tuple[Any, ...]:
    """Return the sums of numbers or arrays over the processes of a group, in one exchange.

    They are summed in float64, and are tensors where tensors came, NumPy arrays else.
    """
    torch = sys.modules.get("torch")  # whoever initialised it has imported it
    if torch is None or not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return parts
    tensors = [
        (part if isinstance(part, torch.Tensor) else torch.as_tensor(np.asarray(part))).detach().double()
        for part in parts
    ]
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    torch.distributed.all_reduce(flat, group=group)
    pieces = flat.split([tensor.numel() for tensor in tensors])
    summed = [piece.reshape(tensor.shape) for piece, tensor in zip(pieces, tensors, strict=True)]
    return tuple(
        tensor if isinstance(part, torch.Tensor) else tensor.numpy()[()]
        for part, tensor in zip(parts, summed, strict=True)
    )
