"""Losses of one prediction vector per item."""

from typing import Any

import numpy as np

from amiss import kernels
from amiss.arrays import Array
from amiss.core.bases import FormulaLoss, both, zeros_like
from amiss.core.checking import first_bad, inspects
from amiss.core.errors import DTypeError, ShapeError
from amiss.core.inputs import Batch, convert, expand_weight, open_prediction, same_shape
from amiss.core.reduction import Reduction, weight_of

__all__ = ["RowLoss"]


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

    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        return xp.sum(x * y)[..., 0]

    def _spread(self, xp: Any, item: Array) -> Array:
        return item[..., None]

    def _template(self, prediction: Array) -> Array:
        return prediction[..., 0]

    def _open(self, prediction: Array, target: Array, weight: Array | None) -> Batch:
        owner = type(self).__name__
        xp, prediction, dtype = open_prediction(owner, prediction)
        given = xp.shape(prediction)
        axis = self._class_axis(given)
        if axis != -1:
            prediction = xp.moveaxis(prediction, axis, -1)
        shape = xp.shape(prediction)
        if shape[-1] == 0:
            raise ShapeError(f"{owner}: prediction must have at least one class; got shape {given}.")
        self._check_classes(shape[-1])
        target = convert(xp, owner, "target", target)
        batch = Batch(xp, prediction, target, dtype=dtype, axis=axis)
        got = xp.shape(target)
        if same_shape(got, given):
            self._open_probabilities(batch)
        elif same_shape(got, shape[:-1]):
            self._open_indices(batch)
        else:
            raise ShapeError(
                f"{owner}: target must have shape {shape[:-1]} (class indices) or {given} (class "
                f"probabilities) for a prediction of shape {given}; got {got}. Reshape it; amiss "
                "never broadcasts."
            )
        if weight is not None:
            batch.weight = expand_weight(xp, owner, weight, self._template(prediction))
        return batch

    def _open_indices(self, batch: Batch) -> None:
        xp, index = batch.xp, batch.target
        if xp.kind(index) != "integral":
            raise DTypeError(
                f"{type(self).__name__}: target must hold whole numbers to be class indices; got dtype "
                f"{index.dtype}. Convert it to an integer dtype, or give one probability per class."
            )
        batch.target = xp.match(xp.index(index), self._template(batch.prediction))

    def _open_probabilities(self, batch: Batch) -> None:
        xp = batch.xp
        batch.whole = xp.kind(batch.target) != "floating"
        target = xp.cast(batch.target)
        if batch.axis != -1:
            target = xp.moveaxis(target, batch.axis, -1)
        batch.target = xp.match(target, batch.prediction)

    def _check(self, batch: Batch) -> None:
        xp = batch.xp
        if batch.weight is not None:
            batch.counted = batch.weight != 0.0
        indexed = self._is_indexed(batch.prediction, batch.target)
        targets = self._check_indices(batch) if indexed else self._check_probabilities(batch)
        batch.valid = both(targets, self._check_predictions(batch))
        mass = self._mass(xp, self._rows(xp, batch.prediction, batch.target))
        batch.mass = None if mass is None else mass[..., 0]
        if batch.counted is None:
            return
        counted = self._spread(xp, batch.counted)
        batch.prediction = xp.where(counted, batch.prediction, 0.0)
        if not indexed:
            batch.target = xp.where(counted, batch.target, 0.0)

    def _class_axis(self, shape: tuple[int | None, ...]) -> int:
        axis, rank = self._axis, len(shape)
        if rank == 0 or not -rank <= axis < rank:
            raise ShapeError(
                f"{type(self).__name__}: prediction must have a class axis {axis}; got shape {shape}. "
                "Give one row of scores per item, or another axis=."
            )
        return -1 if axis in (-1, rank - 1) else axis % rank

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

    def _check_probabilities(self, batch: Batch) -> Array | None:
        """Return which items have legal targets, if unchecked."""
        xp = batch.xp
        inside = self._check_values(batch, "target", self.target_domain, batch.target, False)
        valid = None if inside is None else xp.sum(xp.indicator(~inside))[..., 0] == 0.0
        if not batch.whole:
            return valid
        sums = xp.sum(batch.target)[..., 0]
        single = sums == 1.0 if batch.counted is None else (sums == 1.0) | ~batch.counted
        if not inspects(xp, single):
            return both(valid, single)
        remedy = "Whole numbers of the prediction's shape are taken for one-hot rows."
        first_bad(xp, type(self).__name__, "the sum of a one-hot target row", "1", sums, single, remedy)
        return None

    def _check_predictions(self, batch: Batch) -> Array | None:
        inside = self._check_values(batch, "prediction", self.prediction_domain, batch.prediction, True)
        return None if inside is None else batch.xp.sum(batch.xp.indicator(~inside))[..., 0] == 0.0

    def _is_indexed(self, prediction: Array, target: Array) -> bool:
        return len(target.shape) < len(prediction.shape)

    def _rows(self, xp: Any, prediction: Array, target: Array) -> Array:
        """Return targets as rows of probabilities: a class index is a row with a single 1."""
        return xp.one_hot(target, xp.classes(prediction)) if self._is_indexed(prediction, target) else target

    def total_weight(self, target: Array, weight: Array | None = None) -> Array:
        owner, zeros = type(self).__name__, zeros_like(target)
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

    # --- compiled --------------------------------------------------------------------------------------
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
        rows = self._rows(xp, prediction, target)
        result = super()._evaluate(xp, quantity, prediction, rows, *extra)
        return result[..., 0] if quantity == "value" else result

    def _fused(self, batch: Batch, wanted: tuple[str, ...], reduce: Reduction) -> tuple[Array, ...] | None:
        driver, indexed = self._softmax_driver, self._is_indexed(batch.prediction, batch.target)
        if batch.xp.library != "numpy" or driver is None or not indexed or "hessian" in wanted:
            return None
        self._weigh_classes(batch)
        divisor = reduce.known_divisor(batch, self._template(batch.prediction))
        batch.mass = batch.counted = None
        if divisor is None:
            return None
        results = kernels.cross_entropy(
            batch.prediction, batch.target, batch.weight, factor=1.0 / divisor, wanted=wanted, **driver
        )
        if results is None:
            return None
        if "value" in results and reduce.kind != "none":
            total = results["value"].sum(dtype=np.float64)
            results["value"] = batch.xp.dtype.type(total / divisor)
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
