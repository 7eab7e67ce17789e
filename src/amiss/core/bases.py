"""The base of losses that are given by formulas.

A loss writes `_value`, `_gradient`, `_hessian` and `_hessian_product` as formulas over a namespace `xp`. The
public methods of `Loss` check, convert and reduce around them.
"""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any

from amiss.arrays import Array, is_array, namespace_of
from amiss.core.checking import first_bad, inspects
from amiss.core.errors import ParameterError
from amiss.core.inputs import Batch, convert, fill, outputs, require_same_shape
from amiss.core.loss import Loss
from amiss.core.parameters import REAL, Domain, about, check_fields
from amiss.core.reduction import Reduction, Total, weight_of

__all__ = ["FormulaLoss", "ItemFormulas", "both", "zeros_like"]

_SUM = Reduction("total", "sum")


class ItemFormulas(ABC):
    """The formulas of a loss that has one number for each item."""

    @abstractmethod
    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return the loss of each item."""

    @abstractmethod
    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return the derivative of each item's loss with respect to its prediction."""

    @abstractmethod
    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return the diagonal second derivative."""

    @abstractmethod
    def _hessian_product(self, xp: Any, prediction: Array, target: Array, direction: Array) -> Array:
        """Return the second derivative times a direction."""


class FormulaLoss(Loss):
    """A loss that is given by formulas for one item."""

    @property
    def prediction_symbol(self) -> str:
        """How the prediction is written: a number by default; scores are z, probabilities p."""
        return r"\hat y"

    @property
    def prediction_domain(self) -> Domain:
        """The predictions that have a meaning."""
        return REAL

    @property
    def target_domain(self) -> Domain:
        """The targets that have a meaning."""
        return REAL

    def __post_init__(self) -> None:
        check_fields(self)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle keeps: the parameters, not the kernel that was found for them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def _error(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return prediction - target in the space where the loss compares them."""
        return prediction - target

    # --- what an item is -------------------------------------------------------------------------------
    @abstractmethod
    def _open(self, prediction: Array, target: Array, weight: Array | None) -> Batch:
        """Return the inputs converted, their shapes checked."""

    @abstractmethod
    def _check(self, batch: Batch) -> None:
        """Check the values where they can be seen, and replace what does not count by harmless numbers."""

    @abstractmethod
    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        """Return the inner product of x and y within each item."""

    @abstractmethod
    def _spread(self, xp: Any, item: Array) -> Array:
        """Return one number per item in a shape that multiplies predictions."""

    @abstractmethod
    def _template(self, prediction: Array) -> Array:
        """Return any array with one entry per item."""

    @abstractmethod
    def _shape_of_items(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return the shape of one number per item, where rows lie on the last axis; None if there is none."""

    # --- evaluation ------------------------------------------------------------------------------------
    def _evaluate(self, xp: Any, quantity: str, prediction: Array, target: Array, *extra: Array) -> Array:
        """Return a quantity of each item: from a compiled kernel where one serves, else from the formula."""
        return getattr(self, f"_{quantity}")(xp, prediction, target, *extra)

    def _fused(self, batch: Batch, wanted: tuple[str, ...], reduce: Reduction) -> tuple[Array, ...] | None:
        """Return all wanted quantities, reduced, from one compiled pass, or None where no kernel serves."""
        return None

    @property
    def _is_built_in(self) -> bool:
        """Whether kernels were generated from this class, and not from another of the same name."""
        return type(self).__module__.startswith("amiss.losses.")

    def _prepare(self, prediction: Array, target: Array, weight: Array | None) -> Batch:
        batch = self._open(prediction, target, weight)
        self._check(batch)
        return batch

    # --- the interface ---------------------------------------------------------------------------------
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
        return self._in_steps(
            wanted, prediction, target, weight, reduction, normalizer, empty, direction, out
        )

    def _in_steps(
        self,
        wanted: tuple[str, ...],
        prediction: Array,
        target: Array,
        weight: Array | None,
        reduction: str,
        normalizer: Any = None,
        empty: str = "nan",
        direction: Array | None = None,
        out: dict[str, Array | None] | None = None,
    ) -> tuple[Array, ...]:
        """Check and convert the inputs, and return what `_compute` does."""
        owner = type(self).__name__
        reduce = Reduction(owner, reduction, normalizer, empty)
        batch = self._open(prediction, target, weight)
        if out:
            batch.out = outputs(owner, prediction, batch.dtype, out)
        extra = () if direction is None else (self._direction(batch, direction),)
        with batch.xp.quiet():
            results = self._fused(batch, wanted, reduce)
            if results is None:
                self._check(batch)
                results = tuple(
                    reduce.value(batch, self._items(batch))
                    if quantity == "value"
                    else self._scale(batch, reduce, self._derivative(batch, quantity, *extra))
                    for quantity in wanted
                )
            return fill(batch.out, wanted, results) if batch.out else results

    def _items(self, batch: Batch) -> Array:
        return batch.xp.differentiable(self, batch.prediction, batch.target)

    def _derivative(self, batch: Batch, quantity: str, *extra: Array) -> Array:
        return self._evaluate(batch.xp, quantity, batch.prediction, batch.target, *extra)

    def _scale(self, batch: Batch, reduce: Reduction, derivative: Array) -> Array:
        """Return a derivative of the reduced loss from that of each item."""
        xp = batch.xp
        factor = reduce.factor(batch, self._template(batch.prediction))
        scaled = derivative * self._spread(xp, factor)
        if batch.counted is not None:
            scaled = xp.where(self._spread(xp, batch.counted), scaled, 0.0)
        return batch.restore(scaled)

    def _direction(self, batch: Batch, direction: Array) -> Array:
        xp, owner = batch.xp, type(self).__name__
        direction = xp.cast(convert(xp, owner, "direction", direction))
        if batch.axis != -1:
            direction = xp.moveaxis(direction, batch.axis, -1)
        require_same_shape(xp, owner, batch.prediction, direction, "direction")
        return direction

    def error(self, prediction: Array, target: Array) -> Array:
        batch = self._prepare(prediction, target, None)
        with batch.xp.quiet():
            error = self._derivative(batch, "error")
        if batch.counted is not None:
            error = batch.xp.where(self._spread(batch.xp, batch.counted), error, 0.0)
        return batch.restore(error)

    def total(self, prediction: Array, target: Array, weight: Array | None = None) -> Total:
        batch = self._prepare(prediction, target, weight)
        with batch.xp.quiet():
            items = self._items(batch)
            return Total(_SUM.value(batch, items), batch.xp.scalar(weight_of(batch, items)))

    def expression(self, quantity: str = "value") -> Any:
        from amiss.core.formula import expression

        self._require_quantity(quantity)
        return expression(self, quantity)

    def _reading(self, quantity: str) -> tuple[Any, dict[Any, Any]]:
        from amiss.core.formula import reading

        self._require_quantity(quantity)
        return reading(self, quantity)

    def _require_quantity(self, quantity: str) -> None:
        if quantity not in ("value", "gradient", "hessian"):
            raise ParameterError(
                f"{type(self).__name__}: expression must be of 'value', 'gradient' or 'hessian'; "
                f"got {quantity!r}."
            )

    @classmethod
    def _with(cls, values: dict[str, Any]) -> Any:
        """Return an instance whose parameters may be symbols, which no constructor would take."""
        instance = object.__new__(cls)
        for name, value in values.items():
            object.__setattr__(instance, name, value)
        return instance

    @classmethod
    def parameters(cls) -> dict[str, dict[str, Any]]:
        """Return what is declared of each field: default, and domain, typical and symbol, or choices."""
        return {field.name: {"default": field.default, **about(field)} for field in fields(cls)}  # type: ignore[arg-type]

    def _check_values(
        self, batch: Batch, argument: str, domain: Domain, x: Array, nan_is_fine: bool
    ) -> Array | None:
        """Raise at the first entry outside its domain where values can be seen; else return who is inside."""
        if domain.everything:
            return None
        xp = batch.xp
        inside = domain.contains(x)
        if nan_is_fine:
            inside = inside | xp.isnan(x)
        if batch.counted is not None:
            inside = inside | ~self._spread(xp, batch.counted)
        if not inspects(xp, inside):
            return inside
        if batch.axis != -1 and argument:
            x, inside = xp.moveaxis(x, -1, batch.axis), xp.moveaxis(inside, -1, batch.axis)
        first_bad(xp, type(self).__name__, argument, domain.text, x, inside, domain.remedy)
        return None


def both(a: Array | None, b: Array | None) -> Array | None:
    """Return the entries that are in both masks; None is the mask of all."""
    return b if a is None else a if b is None else a & b


def zeros_like(target: Array) -> Array:
    """Return floating zeros in the shape of a target, as the prediction that is not there yet."""
    if not is_array(target):
        import numpy as np

        target = np.asarray(target)
    return namespace_of(target).zeros(target)
