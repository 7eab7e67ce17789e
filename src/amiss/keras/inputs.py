"""From what Keras hands over to tensors that fit together: trailing axes, labels, weights and masks."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from amiss.arrays import namespace_of
from amiss.core import ClassItems, Loss, NumberItems
from amiss.core.checking import inspects

__all__ = ["Inputs", "fitted"]

_NO_CLASS = -(2**31)
"""Stands for a label that is no whole number, where it cannot be seen: its item becomes NaN."""


@dataclass(frozen=True)
class Inputs:
    """The arguments of a loss as tensors.

    Attributes:
        prediction, target: of fitting shapes.
        weight: sample weights times the mask, or None.
        present: one number per item, 1 where it is neither masked nor ignored.
    """

    prediction: Any
    target: Any
    weight: Any
    present: Any

    @property
    def arrays(self) -> tuple[Any, Any, Any]:
        """Return what every method of a loss takes first."""
        return self.prediction, self.target, self.weight

    def counted(self) -> Any:
        """Return how many items there are."""
        return ops.sum(self.present)


def fitted(loss: Loss, y_true: Any, y_pred: Any, sample_weight: Any, dtype: str) -> Inputs:
    """Return tensors that fit together as Keras lets them fit; the loss refuses what still does not."""
    mask = _mask(y_pred)
    prediction = ops.convert_to_tensor(y_pred, dtype=dtype)
    # A target keeps its dtype: a class index in half precision would become another class.
    target, prediction = _aligned(loss, ops.convert_to_tensor(y_true), prediction)
    indexed = isinstance(loss, ClassItems) and len(target.shape) == len(prediction.shape) - 1
    if indexed:
        target = _whole(target)
    present = ops.ones_like(_items(loss, prediction))
    rank = len(present.shape)
    ignored = getattr(loss, "ignore_index", None)
    if mask is not None:
        mask = _leading(ops.cast(mask, "bool"), rank)
        present = present * ops.cast(mask, present.dtype)
    if ignored is not None and indexed:
        present = present * ops.cast(ops.not_equal(target, ignored), present.dtype)
    weight = None
    if sample_weight is not None:
        weight = _trimmed(ops.convert_to_tensor(sample_weight, dtype=dtype), rank)
        if mask is not None:
            weight = ops.where(mask, _leading(weight, rank), 0.0)
    elif mask is not None:
        weight = ops.cast(mask, present.dtype)
    return Inputs(prediction, target, weight, present)


def _mask(y_pred: Any) -> Any:
    """Return the mask that layers handed on with a prediction; Keras has no public name for the question."""
    from keras.src import backend

    if hasattr(backend, "get_keras_mask"):
        return backend.get_keras_mask(y_pred)
    return getattr(y_pred, "_keras_mask", None)


def _aligned(loss: Loss, target: Any, prediction: Any) -> tuple[Any, Any]:
    """Return target and prediction with one trailing axis of size 1 dropped or added, as Keras does."""
    of_target, of_prediction = len(target.shape), len(prediction.shape)
    if isinstance(loss, ClassItems):
        column = of_target == of_prediction > 0 and target.shape[-1] == 1 != prediction.shape[-1]
        return (ops.squeeze(target, -1) if column else target), prediction
    if of_prediction == of_target + 1 and prediction.shape[-1] == 1:
        if of_target == 1:
            return ops.expand_dims(target, -1), prediction
        return target, ops.squeeze(prediction, -1)
    if of_target == of_prediction + 1 and target.shape[-1] == 1:
        return ops.squeeze(target, -1), prediction
    return target, prediction


def _whole(index: Any) -> Any:
    """Return class indices as whole numbers, also where they come as floats."""
    xp = namespace_of(index)
    if xp.kind(index) != "floating":
        return index
    whole = ops.cast(index, "int32")
    right = ops.equal(ops.cast(whole, index.dtype), index)
    if inspects(xp, right) and not bool(ops.all(right)):
        return index  # which the loss refuses, and says why
    return ops.where(right, whole, _NO_CLASS)


def _items(loss: Loss, prediction: Any) -> Any:
    """Return any tensor with one entry per item."""
    if isinstance(loss, NumberItems) or len(prediction.shape) == 0:
        return prediction
    axis = getattr(loss, "axis", -1)
    return ops.take(prediction, 0, axis=axis)


def _trimmed(weight: Any, rank: int) -> Any:
    return ops.squeeze(weight, -1) if len(weight.shape) == rank + 1 and weight.shape[-1] == 1 else weight


def _leading(x: Any, rank: int) -> Any:
    """Return x with axes of length 1 after its own, so that it stands for leading axes."""
    x = _trimmed(x, rank)
    return ops.reshape(x, (*ops.shape(x), *(1,) * (rank - len(x.shape))))
