"""Losses of each number by itself."""

from typing import Any

from amiss import kernels
from amiss.arrays import Array
from amiss.core.bases import ItemFormulas
from amiss.core.inputs import Batch
from amiss.core.items import NumberItems
from amiss.core.reduction import Reduction

__all__ = ["ElementwiseLoss"]


class ElementwiseLoss(ItemFormulas, NumberItems):
    """A loss of each number by itself.

    Shapes:
        prediction, target: (...), equal.
        one item per number.
    """

    def _hessian_product(self, xp: Any, prediction: Array, target: Array, direction: Array) -> Array:
        return self._hessian(xp, prediction, target) * direction

    # --- compiled --------------------------------------------------------------------------------------
    def _kernel(self) -> tuple[str, list[float]]:
        """Return the name of the kernel and its parameters: structural options are part of the name."""
        options: list[str] = []
        numbers: list[float] = []
        for name, declared in self.parameters().items():
            (options if "choices" in declared else numbers).append(getattr(self, name))
        return "_".join((type(self).__name__, *options)), numbers

    def _evaluate(self, xp: Any, quantity: str, prediction: Array, target: Array, *extra: Array) -> Array:
        host = xp.host(prediction, target) if self._is_built_in else None
        if host is not None:
            name, numbers = self._kernel()
            results = kernels.evaluate(name, (quantity,), numbers, *host)
            if results is not None:
                return xp.from_host(results[quantity])
        return super()._evaluate(xp, quantity, prediction, target, *extra)

    def _fused(self, batch: Batch, wanted: tuple[str, ...], reduce: Reduction) -> tuple[Array, ...] | None:
        if batch.xp.library != "numpy" or not self._is_built_in:
            return None
        divisor = reduce.known_divisor(batch, batch.prediction)
        if divisor is None:
            return None
        name, numbers = self._kernel()
        summed = reduce.kind != "none"
        results = kernels.evaluate(
            name,
            tuple("sum" if quantity == "value" and summed else quantity for quantity in wanted),
            numbers,
            batch.prediction,
            batch.target,
            batch.weight,
            1.0 / divisor,
            batch.out,
        )
        if results is None:
            return None
        if "sum" in results:
            results["value"] = batch.xp.dtype.type(results["sum"].over(divisor))
        return tuple(
            results[quantity] if quantity == "value" else batch.restore(results[quantity])
            for quantity in wanted
        )
