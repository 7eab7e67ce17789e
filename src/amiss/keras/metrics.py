"""Losses as metrics of Keras, which add exact totals: the mean over all items, whatever the batches were.

Every class of `amiss.keras` has one of its name here, with the same parameters, and takes the same inputs.
The sum of weight * loss and the sum of weights are added up over the batches and divided at the end, so that
a weighted mean is divided by the weights, as Keras' metrics do.

Examples:
    >>> import amiss.keras
    >>> metric = amiss.keras.metrics.AbsoluteError()
    >>> metric.update_state([[0.0]], [[1.0]])
    >>> metric.update_state([[0.0], [0.0], [0.0]], [[3.0], [5.0], [7.0]])
    >>> float(metric.result())  # (1 + 3 + 5 + 7) / 4
    4.0
"""

import inspect
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

import amiss.keras as twins
from amiss.core import BatchLoss, ClassItems
from amiss.core.batches import BatchTotal
from amiss.keras.arguments import bound
from amiss.keras.losses import Twin

__all__ = ["TotalMetric"]


class TotalMetric(keras.metrics.Metric):
    """The mean of a loss over all that was seen since the last reset; 0 over nothing, as in Keras.

    Args of every class, beside its parameters:
        name, dtype: as in `keras.metrics.Metric`.
    """

    twin: ClassVar[type[Twin]]

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        given = bound(type(self), arguments, keywords)
        name, dtype = given.pop("name"), given.pop("dtype")
        super().__init__(name=name, dtype=dtype)
        self._direction = "down"
        self.expected = self.twin(**given, dtype=dtype)
        self.weight = self._zeros((), "weight")
        self.sums: list[Any] = []
        if not isinstance(self.expected.loss, BatchLoss):
            self.sums = [self._zeros((), "sum")]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        inputs = self.expected.fitted(y_true, y_pred, sample_weight)
        prediction, target, weight = inputs.arrays
        total = self.expected.loss.total(ops.stop_gradient(prediction), target, weight)
        parts = total.state if isinstance(total, BatchTotal) else (total.sum,)
        if (
            not self.sums
        ):  # the sums of a batch loss are as many as there are classes, which the first batch tells
            self.sums = [self._zeros(shape, "sum") for shape in self._shapes(prediction)]
        for variable, part in zip(self.sums, parts, strict=True):
            variable.assign_add(ops.cast(part, self.dtype))
        self.weight.assign_add(ops.cast(total.weight, self.dtype))

    def result(self) -> Any:
        if not self.sums:
            return ops.zeros(())
        weight, *state = map(ops.copy, (self.weight, *self.sums))
        loss = self.expected.loss
        if not isinstance(loss, BatchLoss):
            return ops.divide_no_nan(state[0], weight)
        return ops.where(weight == 0.0, 0.0, BatchTotal(loss, tuple(state), weight).mean)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.expected._given}

    def __reduce__(self) -> Any:
        """Copy and pickle as Keras saves: by the configuration."""
        return type(self).from_config, (self.get_config(),)

    def _zeros(self, shape: tuple[int, ...], name: str) -> Any:
        return self.add_variable(shape=shape, initializer="zeros", dtype=self.dtype, name=name)

    def _shapes(self, prediction: Any) -> list[tuple[int, ...]]:
        """Return the shapes of the sums of a batch loss, from one item of it."""
        loss, shape = self.expected.loss, [1] * len(prediction.shape)
        if isinstance(loss, ClassItems):
            shape[loss._axis] = prediction.shape[loss._axis]
        one = np.full(shape, 0.5)
        return [part.shape for part in loss.total(one, one).state]


def _made(name: str, twin: type[Twin]) -> type[TotalMetric]:
    form = inspect.signature(twin)
    form = form.replace(parameters=[p for key, p in form.parameters.items() if key != "reduction"])
    document = f"{(twin.__doc__ or '').partition(chr(10))[0]}\n\n    `amiss.keras.{name}` as a metric.\n    "
    body = {"__module__": __name__, "__doc__": document, "__signature__": form, "twin": twin}
    made = type(name, (TotalMetric,), body)
    return keras.saving.register_keras_serializable(package="amiss", name=f"metrics.{name}")(made)


_metrics = {name: _made(name, twin) for name, twin in twins._made.items()}
globals().update(_metrics)

__all__ += _metrics  # noqa: PLE0605 - names, partly computed
