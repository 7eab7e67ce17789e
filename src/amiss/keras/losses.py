"""Classes generated from the catalogue, which Keras can save, load and train with."""

import inspect
from typing import Any, ClassVar

import keras
from keras import ops

from amiss.core import BatchLoss, Loss, NumberItems
from amiss.core.errors import ParameterError
from amiss.keras.arguments import bound, defaults, losses_of_keras, meaning, signature, snake
from amiss.keras.inputs import Inputs, fitted
from amiss.naming import catalogue, get, label_of

__all__ = ["Twin", "losses"]

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


class Twin(keras.losses.Loss):
    """A loss of amiss as Keras expects it: target first, Keras' reductions, weights and masks.

    As in Keras the last axis of a loss of numbers is averaged first; "sum" adds up these averages,
    "sum_over_batch_size" and "mean" divide by the number of items that are not masked, and only
    "mean_with_sample_weight" divides by the sum of the weights. Over nothing each is 0.

    Args of every class, beside its parameters:
        reduction, name, dtype: as in `keras.losses.Loss`.

    Attributes:
        loss: the loss of amiss, with its gradient, Hessian and facts.
    """

    spelling: ClassVar[str]
    """What `amiss.get` calls this loss."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        given = bound(type(self), arguments, keywords)
        reduction, name, dtype = (given.pop(key) for key in ("reduction", "name", "dtype"))
        if reduction not in REDUCTIONS:
            raise ParameterError(
                f"{type(self).__name__}: reduction must be one of {', '.join(map(repr, REDUCTIONS))}; "
                f"got {reduction!r}."
            )
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.loss, self.averaged_axis = self._build(given)
        self._given = {key: getattr(self.loss, key, value) for key, value in given.items()}
        if isinstance(self.loss, BatchLoss) and reduction in ("none", None):
            raise ParameterError(
                f"{type(self).__name__}: reduction must not be {reduction!r}; a loss of the whole batch has "
                "no number per item. Leave it out."
            )

    @classmethod
    def _build(cls, given: dict[str, Any]) -> tuple[Loss, int]:
        """Return the loss of arguments, and the axis that Keras averages before anything else."""
        return get(cls.spelling, **given), -1

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dtype": self.dtype, **self._given}

    def __reduce__(self) -> Any:
        """Copy and pickle as Keras saves: by the configuration."""
        return type(self).from_config, (self.get_config(),)

    def __repr__(self) -> str:
        return f"<amiss.keras.{type(self).__name__}: {label_of(self.loss)}, reduction={self.reduction!r}>"

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        # Keras' own __call__ casts targets, which makes class 257 class 256 in bfloat16, and multiplies items
        # by weights, which lets a NaN of weight 0 through and spreads a weight (B,) along the last axis of
        # (B, T). Here amiss weighs and reduces, with its gradient; Keras' divisor is its `normalizer`.
        if any(isinstance(x, keras.KerasTensor) for x in (y_true, y_pred, sample_weight)):
            return _Evaluation(self)(y_true, y_pred, sample_weight=sample_weight)
        with keras.name_scope(self.name):
            inputs = self.fitted(y_true, y_pred, sample_weight)
            if isinstance(self.loss, BatchLoss):
                return self.loss(*inputs.arrays, empty="zero")
            if self.reduction in ("none", None):
                return self._averaged(self.loss(*inputs.arrays, reduction="none"))
            if self.reduction == "sum":
                return self._summed(inputs)
            divisor = None if self.reduction == "mean_with_sample_weight" else inputs.counted()
            return _shared(self.loss(*inputs.arrays, normalizer=divisor, empty="zero"))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one number per item, the last axis of a loss of numbers averaged."""
        inputs = self.fitted(y_true, y_pred)
        if isinstance(self.loss, BatchLoss):
            return self.loss(*inputs.arrays, empty="zero")
        return self._averaged(self.loss(*inputs.arrays, reduction="none"))

    def fitted(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Inputs:
        """Return the arguments of a call as tensors that fit together."""
        return fitted(self.loss, y_true, y_pred, sample_weight, self.dtype)

    def _averages(self, items: Any) -> bool:
        return isinstance(self.loss, NumberItems) and len(items.shape) > 1

    def _averaged(self, items: Any) -> Any:
        return ops.mean(items, axis=self.averaged_axis) if self._averages(items) else items

    def _summed(self, inputs: Inputs) -> Any:
        """Return the sum of what is averaged along an axis."""
        total = self.loss(*inputs.arrays, reduction="sum")
        if not self._averages(inputs.prediction):
            return total
        width = ops.shape(inputs.prediction)[
            self.averaged_axis
        ]  # a tensor where only a running program knows
        return total / ops.cast(width, total.dtype)


class PeerTwin(Twin):
    """A loss by the name and with the arguments that Keras has for it."""

    @classmethod
    def _build(cls, given: dict[str, Any]) -> tuple[Loss, int]:
        return meaning(cls.spelling, given)


class _Evaluation(keras.Operation):
    """A loss in a graph of symbolic tensors."""

    def __init__(self, twin: Twin) -> None:
        super().__init__()
        self.twin = twin

    def call(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return self.twin(y_true, y_pred, sample_weight)


def losses() -> dict[str, type[Twin]]:
    """Return a class for every loss, and for every loss of Keras that one corresponds to, by name."""
    own = {}
    for source in (loss for family in catalogue().values() for loss in family):
        name = source.__name__
        own[name] = _made(name, name, Twin, signature(defaults(source), snake(name)), source)
    peers = {}
    for name, (spelling, source) in losses_of_keras().items():
        if name not in own:
            theirs = inspect.signature(getattr(keras.losses, name))
            peers[name] = _made(name, spelling, PeerTwin, theirs, source)
    return {**own, **peers}


def _made(
    name: str, spelling: str, base: type[Twin], form: inspect.Signature, source: type[Loss]
) -> type[Twin]:
    body = {
        "__module__": "amiss.keras",
        "__doc__": _documentation(name, form, source),
        "__signature__": form,
        "spelling": spelling,
    }
    return keras.saving.register_keras_serializable(package="amiss")(type(name, (base,), body))


def _documentation(name: str, form: inspect.Signature, source: type[Loss]) -> str:
    parameters = [key for key in form.parameters if key not in ("reduction", "name", "dtype")]
    values = ", ".join(f"{key}={form.parameters[key].default!r}" for key in parameters)
    peer = f"Unless told it takes what keras.losses.{name} takes." if hasattr(keras.losses, name) else ""
    return (
        f"{(source.__doc__ or '').partition(chr(10))[0]}\n\n"
        f"    This is `amiss.{source.__name__}` as Keras expects it: "
        "`loss(y_true, y_pred, sample_weight=None)`.\n"
        f"    {peer}\n\n    Args:\n"
        + (f"        {values}: explained at `amiss.{source.__name__}`.\n" if values else "")
        + "        reduction, name, dtype: as in `keras.losses.Loss`.\n\n    Notes:\n"
        f"        Keras: {source.peers.get('Keras', 'none.')}\n    "
    )


def _shared(value: Any) -> Any:
    """Divide by the replicas of a TensorFlow strategy, which adds up their gradients, as Keras does."""
    if keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return value / replicas if replicas > 1 else value
