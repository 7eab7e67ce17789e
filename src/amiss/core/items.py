"""What one item of a batch is: a number, a row of numbers, or a row of classes with its label."""

from typing import Any

from amiss.arrays import Array
from amiss.core.bases import FormulaLoss, both, zeros_like
from amiss.core.checking import first_bad, inspects
from amiss.core.errors import DTypeError, ShapeError
from amiss.core.inputs import (
    Batch,
    convert,
    dtype_name,
    expand_weight,
    open_prediction,
    require_same_shape,
    same_shape,
)
from amiss.core.reduction import weight_of

__all__ = ["ClassItems", "NumberItems", "RowItems"]


class NumberItems(FormulaLoss):
    """Every number of the prediction is an item, with a number as its target."""

    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        return x * y

    def _spread(self, xp: Any, item: Array) -> Array:
        return item

    def _template(self, prediction: Array) -> Array:
        return prediction

    def _shape_of_items(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        return shape

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


class RowItems(FormulaLoss):
    """Every row of the prediction along `axis` is an item, with a row as its target.

    In a formula the rows lie on the last axis, and a reduction over a row keeps that axis with length 1.
    """

    @property
    def _axis(self) -> int:
        return -1

    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        return xp.sum(x * y)[..., 0]

    def _spread(self, xp: Any, item: Array) -> Array:
        return item[..., None]

    def _template(self, prediction: Array) -> Array:
        return prediction[..., 0]

    def _shape_of_items(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        return shape[:-1] if shape else None

    def _open(self, prediction: Array, target: Array, weight: Array | None) -> Batch:
        owner = type(self).__name__
        xp, prediction, dtype = open_prediction(owner, prediction)
        given = xp.shape(prediction)
        axis = self._row_axis(given)
        if axis != -1:
            prediction = xp.moveaxis(prediction, axis, -1)
        if xp.shape(prediction)[-1] == 0:
            raise ShapeError(f"{owner}: prediction must have at least one {self._entry}; got shape {given}.")
        batch = Batch(xp, prediction, convert(xp, owner, "target", target), dtype=dtype, axis=axis)
        self._open_target(batch, given)
        if weight is not None:
            batch.weight = expand_weight(xp, owner, weight, self._template(prediction))
        return batch

    _name_of_axis, _entry = "row", "number in a row"
    """What the axis of rows and an entry of a row are called in an error."""

    def _open_target(self, batch: Batch, given: tuple[int | None, ...]) -> None:
        """Convert the target to rows of the prediction's layout; `given` is the prediction's shape."""
        got = batch.xp.shape(batch.target)
        if not same_shape(got, given):
            raise ShapeError(
                f"{type(self).__name__}: prediction and target must have one shape; got prediction {given}, "
                f"target {got}. Reshape one of them; amiss never broadcasts."
            )
        self._open_rows(batch)

    def _open_rows(self, batch: Batch) -> None:
        xp = batch.xp
        target = xp.cast(batch.target)
        if batch.axis != -1:
            target = xp.moveaxis(target, batch.axis, -1)
        batch.target = xp.match(target, batch.prediction)

    def _row_axis(self, shape: tuple[int | None, ...]) -> int:
        axis, rank = self._axis, len(shape)
        if rank == 0 or not -rank <= axis < rank:
            raise ShapeError(
                f"{type(self).__name__}: prediction must have a {self._name_of_axis} axis {axis}; got shape "
                f"{shape}. Give one row per item, or another axis=."
            )
        return -1 if axis in (-1, rank - 1) else axis % rank

    def _check(self, batch: Batch) -> None:
        xp = batch.xp
        if batch.weight is not None:
            batch.counted = batch.weight != 0.0
        targets = self._check_targets(batch)
        batch.valid = both(targets, self._check_rows(batch, "prediction", self.prediction_domain, True))
        if batch.counted is None:
            return
        counted = self._spread(xp, batch.counted)
        batch.prediction = xp.where(counted, batch.prediction, 0.0)
        if len(batch.target.shape) == len(batch.prediction.shape):
            batch.target = xp.where(counted, batch.target, 0.0)

    def _check_targets(self, batch: Batch) -> Array | None:
        """Return which items have legal targets, if unchecked."""
        return self._check_rows(batch, "target", self.target_domain, False)

    def _check_rows(self, batch: Batch, argument: str, domain: Any, nan_is_fine: bool) -> Array | None:
        xp = batch.xp
        inside = self._check_values(batch, argument, domain, getattr(batch, argument), nan_is_fine)
        return None if inside is None else xp.sum(xp.indicator(~inside))[..., 0] == 0.0

    def total_weight(self, target: Array, weight: Array | None = None) -> Array:
        batch = self._prepare(zeros_like(target), target, weight)
        return weight_of(batch, self._template(batch.prediction))


class ClassItems(RowItems):
    """Every row of the prediction is over classes; its target is a class index or a row of probabilities."""

    _name_of_axis, _entry = "class", "class"

    @property
    def _ignored(self) -> int | None:
        """The class index that removes an item."""
        return None

    @property
    def _classes(self) -> int | None:
        """The number of classes, if a parameter tells it."""
        return None

    def _mass(self, xp: Any, target: Array) -> Array:
        """Return each item's share of the divisor of a mean where classes have weights; the axis is kept."""
        raise NotImplementedError

    def _check_classes(self, classes: int | None) -> None:
        """Raise if the parameters do not fit the number of classes."""

    def _open_target(self, batch: Batch, given: tuple[int | None, ...]) -> None:
        xp, shape, got = batch.xp, batch.xp.shape(batch.prediction), batch.xp.shape(batch.target)
        self._check_classes(shape[-1])
        if same_shape(got, given):
            batch.whole = xp.kind(batch.target) != "floating"
            self._open_rows(batch)
        elif same_shape(got, shape[:-1]):
            self._open_indices(batch)
        else:
            raise ShapeError(
                f"{type(self).__name__}: target must have shape {shape[:-1]} (class indices) or {given} "
                f"(class probabilities) for a prediction of shape {given}; got {got}. Reshape it; amiss "
                "never broadcasts."
            )

    def _open_indices(self, batch: Batch) -> None:
        xp, index = batch.xp, batch.target
        if xp.kind(index) != "integral":
            raise DTypeError(
                f"{type(self).__name__}: target must hold whole numbers to be class indices; got dtype "
                f"{dtype_name(index)}. Convert it to an integer dtype, or give one probability per class."
            )
        batch.target = xp.match(xp.index(index), self._template(batch.prediction))

    def _is_indexed(self, prediction: Array, target: Array) -> bool:
        return len(target.shape) < len(prediction.shape)

    def _rows(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return targets as rows of probabilities: a class index is a row with a single 1."""
        return xp.one_hot(target, xp.classes(prediction)) if self._is_indexed(prediction, target) else target

    def _evaluate(self, xp: Any, quantity: str, prediction: Array, target: Array, *extra: Array) -> Array:
        return super()._evaluate(xp, quantity, prediction, self._rows(xp, prediction, target), *extra)

    def _check(self, batch: Batch) -> None:
        super()._check(batch)
        if self._classes is not None:
            rows = self._rows(batch.xp, batch.prediction, batch.target)
            batch.mass = self._mass(batch.xp, rows)[..., 0]

    def _check_targets(self, batch: Batch) -> Array | None:
        if self._is_indexed(batch.prediction, batch.target):
            return self._check_indices(batch)
        valid = super()._check_targets(batch)
        return both(valid, self._check_one_hot(batch)) if batch.whole else valid

    def _check_indices(self, batch: Batch) -> Array | None:
        """Make every index harmless; return which items have a legal one, if unchecked."""
        xp, index = batch.xp, batch.target
        classes = xp.classes(batch.prediction)
        inside = (index >= 0) & (index < classes)
        self._leave_out(batch, index)
        batch.target = xp.zero_unless(inside if batch.counted is None else inside & batch.counted, index)
        if batch.counted is not None:
            inside = inside | ~batch.counted
        if not inspects(xp, inside):
            return inside
        remedy = "" if self._ignored is not None else "To leave items out, construct with ignore_index=."
        rule = f"a class index in 0..{classes - 1}"
        first_bad(xp, type(self).__name__, "target", rule, index, inside, remedy)
        return None

    def _check_one_hot(self, batch: Batch) -> Array | None:
        """Return which rows of whole numbers are one-hot, if unchecked."""
        xp = batch.xp
        sums = xp.sum(batch.target)[..., 0]
        single = sums == 1.0 if batch.counted is None else (sums == 1.0) | ~batch.counted
        if not inspects(xp, single):
            return single
        remedy = "Whole numbers of the prediction's shape are taken for one-hot rows."
        first_bad(xp, type(self).__name__, "the sum of a one-hot target row", "1", sums, single, remedy)
        return None

    def _leave_out(self, batch: Batch, index: Array) -> None:
        if self._ignored is not None:
            kept = index != self._ignored
            batch.counted = kept if batch.counted is None else batch.counted & kept

    def total_weight(self, target: Array, weight: Array | None = None) -> Array:
        owner, zeros = type(self).__name__, zeros_like(target)
        xp, zeros, _ = open_prediction(owner, zeros)
        index = convert(xp, owner, "target", target)
        if xp.kind(index) == "floating":
            return super().total_weight(target, weight)
        if self._classes is not None:
            rows = zeros[..., None] + xp.row((0.0,) * self._classes, zeros)
            batch = self._prepare(xp.moveaxis(rows, -1, self._axis), target, weight)
            return weight_of(batch, self._template(batch.prediction))
        batch = Batch(xp, zeros, index)
        self._leave_out(batch, index)
        if weight is not None:
            batch.weight = expand_weight(xp, owner, weight, zeros)
        return weight_of(batch, zeros)
