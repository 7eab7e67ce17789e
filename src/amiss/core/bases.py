"""The bases that losses derive from: each says what an item is, and turns inputs into what formulas need.

A loss writes `_value`, `_gradient` and `_hessian` as formulas over a namespace `xp`. The public methods of
`Loss` check, convert and reduce around them.
"""

from abc import abstractmethod
from dataclasses import fields
from typing import Any

from amiss import kernels
from amiss.arrays import Array
from amiss.core.checking import first_bad, inspects
from amiss.core.errors import DTypeError, ParameterError, ShapeError
from amiss.core.inputs import (
    Batch,
    convert,
    expand_weight,
    open_prediction,
    require_same_shape,
    same_shape,
)
from amiss.core.loss import Loss
from amiss.core.parameters import REAL, Domain, about, check_fields
from amiss.core.reduction import Reduction, Total, weight_of

__all__ = ["ElementwiseLoss", "FormulaLoss", "RowLoss"]

_SUM = Reduction("total", "sum")


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

    # --- the formulas ----------------------------------------------------------------------------------
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

    def _error(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return prediction - target in the space where the loss compares them."""
        return prediction - target

    # --- what an item is -------------------------------------------------------------------------------
    @abstractmethod
    def _prepare(self, prediction: Array, target: Array, weight: Array | None) -> Batch:
        """Return the inputs converted and checked."""

    @abstractmethod
    def _items(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return one value per item."""

    @abstractmethod
    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        """Return the inner product of x and y within each item."""

    @abstractmethod
    def _spread(self, xp: Any, item: Array) -> Array:
        """Return one number per item in a shape that multiplies predictions."""

    @abstractmethod
    def _template(self, prediction: Array) -> Array:
        """Return any array with one entry per item."""

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
    ) -> tuple[Array, ...]:
        reduce = Reduction(type(self).__name__, reduction, normalizer, empty)
        batch = self._prepare(prediction, target, weight)
        extra = () if direction is None else (self._direction(batch, direction),)
        with batch.xp.quiet():
            compiled = self._compiled(wanted, batch)
            return tuple(
                reduce.value(batch, compiled["value"] if compiled else self._portable_value(batch))
                if quantity == "value"
                else self._scale(
                    batch,
                    reduce,
                    compiled[quantity]
                    if compiled
                    else getattr(self, f"_{quantity}")(batch.xp, batch.prediction, batch.target, *extra),
                )
                for quantity in wanted
            )

    def _compiled(self, wanted: tuple[str, ...], batch: Batch) -> dict[str, Array] | None:
        """Return all wanted quantities from a compiled kernel, or None where the portable path serves."""
        return None

    def _portable_value(self, batch: Batch) -> Array:
        return batch.xp.differentiable(self, batch.prediction, batch.target)

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
            error = self._error(batch.xp, batch.prediction, batch.target)
        if batch.counted is not None:
            error = batch.xp.where(self._spread(batch.xp, batch.counted), error, 0.0)
        return batch.restore(error)

    def total(self, prediction: Array, target: Array, weight: Array | None = None) -> Total:
        batch = self._prepare(prediction, target, weight)
        with batch.xp.quiet():
            items = self._portable_value(batch)
            return Total(_SUM.value(batch, items), weight_of(batch, items))

    def expression(self, quantity: str = "value") -> Any:
        from amiss.core.formula import expression

        if quantity not in ("value", "gradient", "hessian"):
            raise ParameterError(
                f"{type(self).__name__}: expression must be of 'value', 'gradient' or 'hessian'; "
                f"got {quantity!r}."
            )
        return expression(self, quantity)

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


class ElementwiseLoss(FormulaLoss):
    """A loss of each number by itself.

    Shapes:
        prediction, target: (...), equal.
        one item per number.
    """

    def _compiled(self, wanted: tuple[str, ...], batch: Batch) -> dict[str, Array] | None:
        if batch.xp.library != "numpy" or not type(self).__module__.startswith("amiss.losses."):
            return None
        options: list[str] = []
        numbers: list[float] = []
        for name, declared in self.parameters().items():
            (options if "choices" in declared else numbers).append(getattr(self, name))
        name = "_".join((type(self).__name__, *options))
        return kernels.evaluate(name, wanted, numbers, batch.prediction, batch.target)

    def _hessian_product(self, xp: Any, prediction: Array, target: Array, direction: Array) -> Array:
        return self._hessian(xp, prediction, target) * direction

    def _items(self, xp: Any, prediction: Array, target: Array) -> Array:
        return self._value(xp, prediction, target)

    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        return x * y

    def _spread(self, xp: Any, item: Array) -> Array:
        return item

    def _template(self, prediction: Array) -> Array:
        return prediction

    def _prepare(self, prediction: Array, target: Array, weight: Array | None) -> Batch:
        owner = type(self).__name__
        xp, prediction, dtype = open_prediction(owner, prediction)
        target = convert(xp, owner, "target", target)
        require_same_shape(xp, owner, prediction, target, "target")
        batch = Batch(xp, prediction, xp.match(xp.cast(target), prediction), dtype=dtype)
        if weight is not None:
            batch.weight = expand_weight(xp, owner, weight, prediction)
            batch.counted = batch.weight != 0.0
        predictions = self._check_values(batch, "prediction", self.prediction_domain, batch.prediction, True)
        targets = self._check_values(batch, "target", self.target_domain, batch.target, False)
        batch.valid = _both(predictions, targets)
        if batch.counted is not None:
            batch.prediction = xp.where(batch.counted, batch.prediction, 0.0)
            batch.target = xp.where(batch.counted, batch.target, 0.0)
        return batch

    def total_weight(self, target: Array, weight: Array | None = None) -> Array:
        batch = self._prepare(_zeros_like(target), target, weight)
        return weight_of(batch, batch.prediction)


class RowLoss(FormulaLoss):
    """A loss of one prediction vector per item, along `axis`, the last by default.

    Shapes:
        prediction: (..., K), K classes along `axis`.
        target: (...) class indices in 0..K-1, or (..., K) class probabilities.
        one item per row.

    In a formula the classes lie on the last axis, targets are rows of probabilities, and a reduction over the
    classes keeps that axis with length 1.
    """

    @property
    def _axis(self) -> int:
        return -1

    @property
    def _ignored(self) -> int | None:
        """The class index that removes an item."""
        return None

    def _mass(self, xp: Any, target: Array) -> Array | None:
        """Return each item's share of the divisor of a mean, with the class axis kept, or None for ones."""
        return None

    def _check_classes(self, classes: int | None) -> None:
        """Raise if the parameters do not fit the number of classes."""

    def _items(self, xp: Any, prediction: Array, target: Array) -> Array:
        return self._value(xp, prediction, target)[..., 0]

    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        return xp.sum(x * y)[..., 0]

    def _spread(self, xp: Any, item: Array) -> Array:
        return item[..., None]

    def _template(self, prediction: Array) -> Array:
        return prediction[..., 0]

    def _prepare(self, prediction: Array, target: Array, weight: Array | None) -> Batch:
        owner = type(self).__name__
        xp, prediction, dtype = open_prediction(owner, prediction)
        axis = self._class_axis(xp.shape(prediction))
        target = convert(xp, owner, "target", target)
        given = xp.shape(prediction)
        if axis != -1:
            prediction = xp.moveaxis(prediction, axis, -1)
        shape = xp.shape(prediction)
        if shape[-1] == 0:
            raise ShapeError(f"{owner}: prediction must have at least one class; got shape {given}.")
        self._check_classes(shape[-1])
        batch = Batch(xp, prediction, target, dtype=dtype, axis=axis)
        if weight is not None:
            batch.weight = expand_weight(xp, owner, weight, self._template(prediction))
            batch.counted = batch.weight != 0.0
        got = xp.shape(target)
        if same_shape(got, given):
            valid = self._take_probabilities(batch)
        elif same_shape(got, shape[:-1]):
            valid = self._take_indices(batch)
        else:
            raise ShapeError(
                f"{owner}: target must have shape {shape[:-1]} (class indices) or {given} (class "
                f"probabilities) for a prediction of shape {given}; got {got}. Reshape it; amiss "
                "never broadcasts."
            )
        batch.valid = _both(valid, self._all_valid(batch))
        mass = self._mass(xp, batch.target)
        batch.mass = None if mass is None else mass[..., 0]
        if batch.counted is not None:
            counted = self._spread(xp, batch.counted)
            batch.prediction = xp.where(counted, batch.prediction, 0.0)
            batch.target = xp.where(counted, batch.target, 0.0)
        return batch

    def _class_axis(self, shape: tuple[int | None, ...]) -> int:
        axis, rank = self._axis, len(shape)
        if rank == 0 or not -rank <= axis < rank:
            raise ShapeError(
                f"{type(self).__name__}: prediction must have a class axis {axis}; got shape {shape}. "
                "Give one row of scores per item, or another axis=."
            )
        return -1 if axis in (-1, rank - 1) else axis % rank

    def _take_indices(self, batch: Batch) -> Array | None:
        """Turn class indices into rows with a single 1; return which are in range, if unchecked."""
        xp, owner, index = batch.xp, type(self).__name__, batch.target
        if xp.kind(index) != "integral":
            raise DTypeError(
                f"{owner}: target must hold whole numbers to be class indices; got dtype {index.dtype}. "
                "Convert it to an integer dtype, or give one probability per class."
            )
        index = xp.match(xp.index(index), self._template(batch.prediction))
        classes = batch.prediction.shape[-1]
        inside = (index >= 0) & (index < classes)
        self._leave_out(batch, index)
        harmless = inside if batch.counted is None else inside & batch.counted
        batch.target = xp.one_hot(xp.zero_unless(harmless, index), classes)
        if batch.counted is not None:
            inside = inside | ~batch.counted
        if not inspects(xp, inside):
            return inside
        remedy = "" if self._ignored is not None else "To leave items out, construct with ignore_index=."
        first_bad(xp, owner, "target", f"a class index in 0..{classes - 1}", index, inside, remedy)
        return None

    def _take_probabilities(self, batch: Batch) -> Array | None:
        xp, whole = batch.xp, batch.xp.kind(batch.target) != "floating"
        target = xp.cast(batch.target)
        if batch.axis != -1:
            target = xp.moveaxis(target, batch.axis, -1)
        batch.target = xp.match(target, batch.prediction)
        inside = self._check_values(batch, "target", self.target_domain, batch.target, False)
        valid = None if inside is None else xp.sum(xp.indicator(~inside))[..., 0] == 0.0
        if not whole:
            return valid
        single = xp.sum(batch.target)[..., 0] == 1.0
        if batch.counted is not None:
            single = single | ~batch.counted
        if not inspects(xp, single):
            return _both(valid, single)
        sums = xp.sum(batch.target)[..., 0]
        first_bad(
            xp, type(self).__name__, "the sum of a one-hot target row", "1", sums, single,
            "Whole numbers of the prediction's shape are taken for one-hot rows.",
        )  # fmt: skip
        return None

    def _all_valid(self, batch: Batch) -> Array | None:
        inside = self._check_values(batch, "prediction", self.prediction_domain, batch.prediction, True)
        return None if inside is None else batch.xp.sum(batch.xp.indicator(~inside))[..., 0] == 0.0

    def total_weight(self, target: Array, weight: Array | None = None) -> Array:
        owner, zeros = type(self).__name__, _zeros_like(target)
        xp, zeros, _ = open_prediction(owner, zeros)
        index = convert(xp, owner, "target", target)
        if xp.kind(index) == "floating":
            batch = self._prepare(zeros, target, weight)
            return weight_of(batch, self._template(batch.prediction))
        if self._classes is not None:
            rows = zeros[..., None] + xp.row((0.0,) * self._classes, zeros)
            batch = self._prepare(xp.moveaxis(rows, -1, self._axis), target, weight)
            return weight_of(batch, self._template(batch.prediction))
        batch = Batch(xp, zeros, index)
        self._leave_out(batch, index)
        if weight is not None:
            batch.weight = expand_weight(xp, owner, weight, zeros)
        return weight_of(batch, zeros)

    @property
    def _classes(self) -> int | None:
        """The number of classes, if a parameter tells it."""
        return None

    def _leave_out(self, batch: Batch, index: Array) -> None:
        if self._ignored is not None:
            kept = index != self._ignored
            batch.counted = kept if batch.counted is None else batch.counted & kept


def _both(a: Array | None, b: Array | None) -> Array | None:
    return b if a is None else a if b is None else a & b


def _zeros_like(target: Array) -> Array:
    """Return floating zeros in the shape of a target, as the prediction that is not there yet."""
    import numpy as np

    from amiss.arrays import is_array, namespace_of

    if not is_array(target):
        target = np.asarray(target)
    xp = namespace_of(target)
    return xp.zeros(target)
