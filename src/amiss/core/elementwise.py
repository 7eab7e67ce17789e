"""Losses of each number by itself."""

from functools import cached_property
from typing import Any

from amiss import kernels
from amiss.arrays import Array
from amiss.core.compiled import CompiledLoss
from amiss.core.items import NumberItems

__all__ = ["ElementwiseLoss"]


class ElementwiseLoss(CompiledLoss, NumberItems):
    """A loss of each number by itself.

    Shapes:
        prediction, target: (...), equal.
        one item per number.
    """

    def _hessian_product(self, xp: Any, prediction: Array, target: Array, direction: Array) -> Array:
        return self._hessian(xp, prediction, target) * direction

    @cached_property
    def _kernel(self) -> Any:
        """The kernel of this loss, None if there is none: structural options are part of its name."""
        options: list[str] = []
        numbers: list[float] = []
        for name, declared in self.parameters().items():
            (options if "choices" in declared else numbers).append(getattr(self, name))
        name = "_".join((type(self).__name__, *options))
        return kernels.kernel(name, tuple(numbers)) if self._is_built_in else None
