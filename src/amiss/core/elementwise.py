"""Losses of each number by itself."""

from typing import Any

from amiss import kernels
from amiss.arrays import Array
from amiss.core.bases import FormulaLoss, both, zeros_like
from amiss.core.inputs import Batch, convert, expand_weight, open_prediction, require_same_shape
from amiss.core.reduction import Reduction, weight_of

__all__ = ["ElementwiseLoss"]


class ElementwiseLoss(FormulaLoss):
    """A loss of each number by itself.

    Shapes:
        prediction, target: (...), equal.
        one item per number.
    """

    def _hessian_product(self, xp: Any, prediction: Array, target: Array, direction: Array) -> Array:
        return self._hessian(xp, prediction, target) * direction

    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        return x * y

    def _spread(self, xp: Any, item: Array) -> Array:
        return item

    def _template(self, prediction: Array) -> Array:
        return prediction

    def _open(self, prediction: Array, target: Array, weight: Array | None) -> Batch:
        owner = type(self).__name__
        xp, prediction, dtype = open_prediction(owner, prediction)
        target = convert(xp, owner, "target", target)
        require_same_shape(xp, owner, prediction, target, "target")
        batch = Batch(xp, prediction, xp.match(xp.cast(target), prediction), dtype=dtype)
        if weight is not None:
            batch.weight = expand_weight(xp, owner, weight, prediction)
        return batch

    def _check(self, batch: Batch) -> None:
        xp = batch.xp
        if batch.weight is not None:
            batch.counted = batch.weight != 0.0
        predictions = self._check_values(batch, "prediction", self.prediction_domain, batch.prediction, True)
        targets = self._check_values(batch, "target", self.target_domain, batch.target, False)
        batch.valid = both(predictions, targets)
        if batch.counted is not None:
            batch.prediction = xp.where(batch.counted, batch.prediction, 0.0)
            batch.target = xp.where(batch.counted, batch.target, 0.0)

    def total_weight(self, target: Array, weight: Array | None = None) -> Array:
        batch = self._prepare(zeros_like(target), target, weight)
        return weight_of(batch, batch.prediction)

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
        )
        if results is None:
            return None
        if "sum" in results:
            results["value"] = batch.xp.dtype.type(results["sum"].over(divisor))
        return tuple(
            results[quantity] if quantity == "value" else batch.restore(results[quantity])
            for quantity in wanted
        )
