"""The namespace on TensorFlow tensors, eager, inside `tf.function` and under XLA.

TensorFlow's operations stand here under the names of the array API standard, which its own numpy module does
not follow. Nested `tf.custom_gradient` attaches gradient and Hessian.
"""

from functools import cache
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from amiss.arrays.array_namespace import ArrayNamespace
from amiss.arrays.namespace import Array, Formulas

__all__ = ["TensorflowNamespace", "is_array", "namespace"]


_TENSORS = (tf.Tensor, tf.Variable)  # a tuple, as Dynamo cannot trace a union of types


def is_array(value: object) -> bool:
    """Return whether `value` is a TensorFlow tensor or variable."""
    return isinstance(value, _TENSORS)


def namespace(array: Any) -> "TensorflowNamespace":
    """Return the namespace bound to the dtype of `array`."""
    return _namespace(array.dtype)


def _moveaxis(x: Array, source: int, destination: int) -> Array:
    order = list(range(len(x.shape)))
    order.insert(destination % len(order), order.pop(source % len(order)))
    return tf.transpose(x, order)


_api = SimpleNamespace(
    abs=tf.abs,
    sign=tf.sign,
    exp=tf.exp,
    log=tf.math.log,
    log1p=tf.math.log1p,
    expm1=tf.math.expm1,
    sqrt=tf.sqrt,
    tanh=tf.tanh,
    maximum=tf.maximum,
    minimum=tf.minimum,
    where=tf.where,
    sum=lambda x, axis=None, keepdims=False: tf.reduce_sum(x, axis=axis, keepdims=keepdims),
    max=lambda x, axis=None, keepdims=False: tf.reduce_max(x, axis=axis, keepdims=keepdims),
    concat=tf.concat,
    astype=tf.cast,
    asarray=lambda x, dtype=None, device=None: tf.constant(x, dtype=dtype),
    arange=lambda stop, dtype=None, device=None: tf.range(stop, dtype=dtype),
    ones_like=tf.ones_like,
    zeros_like=tf.zeros_like,
    moveaxis=_moveaxis,
    reshape=tf.reshape,
)


class TensorflowNamespace(ArrayNamespace):
    """TensorFlow's operations under the names of the array API standard."""

    library = "tensorflow"

    def asarray(self, x: Any) -> Array:
        return x if isinstance(x, tf.Tensor) else tf.convert_to_tensor(x)

    def shape(self, x: Array) -> tuple[int | None, ...]:
        if x.shape.rank is None:
            raise TypeError("the number of dimensions must be known; use tf.ensure_shape before the loss")
        return tuple(x.shape)

    def largest_size(self, x: Array) -> Array:
        return tf.maximum(tf.reduce_max(tf.abs(x), axis=-2, keepdims=True), 0.0)  # nothing gives -inf

    def length(self, x: Array) -> Any:
        return x.shape[-1] if x.shape[-1] is not None else self.cast(tf.shape(x)[-1])

    def reshape(self, x: Array, shape: tuple[int | None, ...]) -> Array:
        known = tf.shape(x)
        return tf.reshape(x, [known[axis] if size is None else size for axis, size in enumerate(shape)])

    def shaped(self, x: Array, like: Array) -> Array:
        return tf.reshape(x, tf.shape(like))

    def broadcast(self, x: Array, like: Array) -> Array:
        return tf.broadcast_to(x, tf.shape(like))

    def classes(self, x: Array) -> Any:
        return x.shape[-1] if x.shape[-1] is not None else tf.shape(x, out_type=tf.int64)[-1]

    def match(self, x: Array, like: Array) -> Array:
        if x.shape.is_fully_defined() and like.shape.is_fully_defined():
            return x
        # Graph optimisation removes the reshape and XLA the assertion, never both.
        message = (
            "amiss: a target must have the prediction's shape (without the class axis for class indices)"
        )
        same = tf.debugging.assert_equal(tf.shape(x), tf.shape(like), message=message)
        with tf.control_dependencies([same]):
            return tf.reshape(x, tf.shape(like))

    def one_hot(self, index: Array, classes: int) -> Array:
        return tf.one_hot(index, tf.cast(classes, tf.int32), dtype=self.dtype)

    def is_half(self) -> bool:
        return self.dtype in (tf.float16, tf.bfloat16)

    def single(self) -> "TensorflowNamespace":
        return _namespace(tf.float32)

    def kind(self, x: Array) -> str:
        if x.dtype.is_floating:
            return "floating"
        return "integral" if x.dtype.is_integer else "bool" if x.dtype.is_bool else "other"

    def index(self, x: Array) -> Array:
        return tf.cast(x, tf.int64)

    def zeros(self, like: Array) -> Array:
        return tf.zeros_like(like) if like.dtype.is_floating else tf.zeros_like(like, dtype=tf.float32)

    def count(self, x: Array) -> Array:
        return self.cast(tf.size(x, out_type=tf.int64))

    def readable(self, x: Array) -> bool:
        return tf.executing_eagerly() and hasattr(x, "numpy")

    def visible(self, x: Array) -> bool:
        return self.readable(x) and "CPU" in x.device

    def numbers(self, x: Array) -> Any:
        return x.numpy()

    def differentiable(self, formulas: Formulas, prediction: Array, target: Array) -> Array:
        return _value(formulas, self, prediction, target)


@cache
def _namespace(dtype: Any) -> TensorflowNamespace:
    return TensorflowNamespace(_api, dtype)


def _by_target(formula: Any, target: Array, upstream: Array) -> Array | None:
    """Differentiate a formula in the target, where no analytic form is written, by reverse mode."""
    if not target.dtype.is_floating:
        return None
    with tf.GradientTape() as tape:
        tape.watch(target)
        value = formula(target)
    return tape.gradient(value, target, output_gradients=upstream, unconnected_gradients="zero")


def _value(formulas: Formulas, xp: Any, prediction: Array, target: Array) -> Array:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def attached(prediction: Array, target: Array) -> Any:
        def pull(upstream: Array) -> tuple[Array, Array]:
            gradient = _gradient(formulas, xp, prediction, target)
            by_target = _by_target(lambda t: formulas._evaluate(xp, "value", prediction, t), target, upstream)
            return gradient * formulas._spread(xp, upstream), by_target

        return formulas._evaluate(xp, "value", prediction, target), pull

    return attached(prediction, target)


def _gradient(formulas: Formulas, xp: Any, prediction: Array, target: Array) -> Array:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def attached(prediction: Array, target: Array) -> Any:
        def pull(along: Array) -> tuple[Array, Array]:
            by_target = _by_target(lambda t: formulas._evaluate(xp, "gradient", prediction, t), target, along)
            return formulas._evaluate(xp, "hessian_product", prediction, target, along), by_target

        return formulas._evaluate(xp, "gradient", prediction, target), pull

    return attached(prediction, target)
