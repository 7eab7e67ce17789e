"""Losses of one prediction vector per item."""

from typing import Any

import numpy as np

from amiss import kernels
from amiss.arrays import Array
from amiss.core.bases import ItemFormulas
from amiss.core.inputs import Batch
from amiss.core.items import ClassItems, RowItems
from amiss.core.reduction import Reduction

__all__ = ["ClassLoss", "RowLoss"]


class RowLoss(ItemFormulas, RowItems):
    """A loss of one prediction vector per item, along `axis`, the last by default.

    Shapes:
        prediction, target: (..., K), equal; K numbers along `axis`.
        one item per row.
    """

    def _evaluate(self, xp: Any, quantity: str, prediction: Array, target: Array, *extra: Array) -> Array:
        result = super()._evaluate(xp, quantity, prediction, target, *extra)
        return result[..., 0] if quantity == "value" else result


class ClassLoss(ClassItems, RowLoss):
    """A loss of one row of classes per item.

    Shapes:
        prediction: (..., K), K classes along `axis`.
        target: (...) class indices in 0..K-1, or (..., K) class probabilities.
        one item per row.

    In a formula targets are rows of probabilities.
    """

    @property
    def _softmax_driver(self) -> dict[str, Any] | None:
        """The options of the compiled softmax cross-entropy, if this loss is one."""
        return None

    def _evaluate(self, xp: Any, quantity: str, prediction: Array, target: Array, *extra: Array) -> Array:
        driver = self._softmax_driver if quantity in ("value", "gradient") else None
        host = xp.host(prediction, target) if self._is_indexed(prediction, target) else None
        if driver is not None and host is not None:
            options = {**driver, "ignored": None, "wanted": (quantity,)}
            results = kernels.cross_entropy(*host, **options)
            if results is not None:
                return xp.from_host(results[quantity])
        return super()._evaluate(xp, quantity, prediction, target, *extra)

    def _fused(self, batch: Batch, wanted: tuple[str, ...], reduce: Reduction) -> tuple[Array, ...] | None:
        driver, indexed = self._softmax_driver, self._is_indexed(batch.prediction, batch.target)
        if batch.xp.library != "numpy" or driver is None or not indexed or "hessian" in wanted:
            return None
        self._weigh_classes(batch)
        divisor = reduce.known_divisor(batch, self._template(batch.prediction))
        batch.mass = batch.counted = None
        if divisor is None:
            return None
        summed = reduce.kind != "none"
        results = kernels.cross_entropy(
            batch.prediction,
            batch.target,
            batch.weight,
            factor=1.0 / divisor,
            wanted=tuple("sum" if quantity == "value" and summed else quantity for quantity in wanted),
            **driver,
        )
        if results is None:
            return None
        if "sum" in results:
            results["value"] = batch.xp.dtype.type(results["sum"].over(divisor))
        return tuple(
            results[quantity] if quantity == "value" else batch.restore(results[quantity])
            for quantity in wanted
        )

    def _weigh_classes(self, batch: Batch) -> None:
        """Set what the divisor needs to know of class indices; the kernel finds those out of range."""
        index, weights = batch.target, (self._softmax_driver or {}).get("class_weight")
        if self._ignored is not None:
            batch.counted = index != self._ignored
        if weights is None:
            return
        inside = (index >= 0) & (index < len(weights))
        batch.mass = np.asarray(weights, batch.xp.dtype)[np.where(inside, index, 0)]
        batch.counted = inside if batch.counted is None else inside & batch.counted
