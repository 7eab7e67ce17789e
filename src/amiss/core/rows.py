"""Losses of one prediction vector per item."""

from functools import cached_property
from typing import Any, NamedTuple

from amiss import kernels
from amiss.arrays import Array
from amiss.core.bases import ItemFormulas
from amiss.core.compiled import CompiledLoss
from amiss.core.inputs import Batch
from amiss.core.items import ClassItems, RowItems
from amiss.core.reduction import Reduction, weight_of

__all__ = ["ClassLoss", "RowLoss", "SoftmaxOptions"]


class SoftmaxOptions(NamedTuple):
    """What the kernel of softmax cross-entropy can do besides."""

    class_weight: tuple[float, ...] | None = None
    ignored: int | None = None
    smoothing: float = 0.0
    soft: bool = True
    """Whether it serves rows of probabilities too."""


class RowLoss(ItemFormulas, RowItems):
    """A loss of one prediction vector per item, along `axis`, the last by default.

    Shapes:
        prediction, target: (..., K), equal; K numbers along `axis`.
        one item per row.
    """

    def _evaluate(self, xp: Any, quantity: str, prediction: Array, target: Array, *extra: Array) -> Array:
        result = super()._evaluate(xp, quantity, prediction, target, *extra)
        return result[..., 0] if quantity == "value" else result


class ClassLoss(CompiledLoss, ClassItems, RowLoss):
    """A loss of one row of classes per item.

    Shapes:
        prediction: (..., K), K classes along `axis`.
        target: (...) class indices in 0..K-1, or (..., K) class probabilities.
        one item per row.

    In a formula targets are rows of probabilities.
    """

    @property
    def _softmax_options(self) -> SoftmaxOptions | None:
        """The options of the kernel, if this is softmax cross-entropy."""
        return None

    @cached_property
    def _kernel(self) -> Any:
        """The kernel of this loss, None if there is none."""
        options = self._softmax_options
        return None if options is None or not self._is_built_in else kernels.softmax(*options)

    @property
    def _takes_as_given(self) -> bool:
        return self._axis == -1

    def _divisor(self, batch: Batch, reduce: Reduction) -> float | None:
        divisor = super()._divisor(batch, reduce)
        if divisor != 0.0 or self._classes is None or self._is_indexed(batch.prediction, batch.target):
            return divisor
        self._check(batch)  # finds what a row weighs, if each class has a weight and a share of it
        return float(weight_of(batch, self._template(batch.prediction)))
