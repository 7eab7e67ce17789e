"""Losses that a compiled kernel serves, and when it does."""

from functools import cached_property
from typing import Any

import numpy as np

from amiss import kernels
from amiss.arrays import Array, library_of, reduced
from amiss.core.bases import FormulaLoss, ItemFormulas
from amiss.core.inputs import Batch
from amiss.core.reduction import DIVISORS, Reduction

__all__ = ["CompiledLoss"]


class CompiledLoss(ItemFormulas, FormulaLoss):
    """A loss with a kernel, if there is one for its parameters: it is asked first, and the formula else."""

    @cached_property
    def _kernel(self) -> Any:
        """The kernel of this loss, or None."""
        return None

    @property
    def _takes_as_given(self) -> bool:
        """Whether the axes of inputs lie as the kernel wants them."""
        return True

    @cached_property
    def _answer(self) -> Any:
        """The kernel's own way to answer a whole call, if there is one."""
        return self._kernel.answer if self._kernel and self._takes_as_given else super()._answer

    def _value_of_tensors(
        self, prediction: Array, target: Array, weight: Array | None, reduction: str
    ) -> Array | None:
        divisor = DIVISORS.get(reduction) if type(reduction) is str else None
        if divisor is None or library_of(prediction) != "torch" or not self._takes_as_given:
            return None
        return reduced(self, reduction, divisor, prediction, target, weight)

    def _evaluate(self, xp: Any, quantity: str, prediction: Array, target: Array, *extra: Array) -> Array:
        host = xp.host(prediction, target)
        if host is not None:
            results = kernels.evaluate(self._kernel, (quantity,), host[0], host[1], divisor=None)
            if results is not None:
                return xp.from_host(results[0])
        return super()._evaluate(xp, quantity, prediction, target, *extra)

    def _divisor(self, batch: Batch, reduce: Reduction) -> float | None:
        """Return what a kernel divides by, 0 if it finds that itself."""
        return DIVISORS[reduce.kind] if reduce.normalizer is None else float(reduce.normalizer)

    def _fused(self, batch: Batch, wanted: tuple[str, ...], reduce: Reduction) -> tuple[Array, ...] | None:
        if (
            batch.xp.library != "numpy" or batch.whole
        ):  # whole numbers must be one-hot, which no kernel checks
            return None
        divisor = self._divisor(batch, reduce)
        inputs = (batch.prediction, batch.target, batch.weight)
        prediction, target, weight = (None if x is None else np.require(x, None, "A") for x in inputs)
        results = kernels.evaluate(self._kernel, wanted, prediction, target, weight, divisor)
        if results is None:
            return None
        return tuple(
            result if quantity == "value" else batch.restore(result)
            for quantity, result in zip(wanted, results, strict=True)
        )
