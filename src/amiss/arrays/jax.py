"""The namespace on JAX arrays, also while they are traced.

`jax.custom_jvp` attaches the analytic gradient, and the gradient is a second such function, so that Hessians
are analytic too. The target's tangent is followed through the formula itself unless it is known to be zero.
"""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from amiss.arrays.array_namespace import ArrayNamespace
from amiss.arrays.namespace import Array, Formulas

__all__ = ["JaxNamespace", "is_array", "namespace"]


def is_array(value: object) -> bool:
    """Return whether `value` is a JAX array or a tracer of one."""
    return isinstance(value, jax.Array)


def namespace(array: Any) -> "JaxNamespace":
    """Return the namespace bound to the dtype of `array`."""
    return _namespace(array.dtype)


class JaxNamespace(ArrayNamespace):
    """jax.numpy, which follows the array API standard."""

    library = "jax"

    def is_half(self) -> bool:
        return bool(jnp.dtype(self.dtype).itemsize < 4)

    def single(self) -> "JaxNamespace":
        return _namespace(jnp.dtype(jnp.float32))

    def index(self, x: Array) -> Array:
        return x.astype(jnp.result_type(int))

    def readable(self, x: Array) -> bool:
        return not isinstance(x, jax.core.Tracer)

    def visible(self, x: Array) -> bool:
        return self.readable(x) and all(device.platform == "cpu" for device in x.devices())

    def differentiable(self, formulas: Formulas, prediction: Array, target: Array) -> Array:
        return _value(formulas, self, prediction, target)


@cache
def _namespace(dtype: Any) -> JaxNamespace:
    return JaxNamespace(jnp, dtype)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _value(formulas: Formulas, xp: Any, prediction: Array, target: Array) -> Array:
    return formulas._evaluate(xp, "value", prediction, target)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _gradient(formulas: Formulas, xp: Any, prediction: Array, target: Array) -> Array:
    return formulas._evaluate(xp, "gradient", prediction, target)


def _value_rule(formulas: Formulas, xp: Any, primals: Any, tangents: Any) -> Any:
    (prediction, target), (along, target_along) = primals, tangents
    value = _value(formulas, xp, prediction, target)
    change = jnp.zeros_like(value)
    if not isinstance(along, SymbolicZero):
        change += formulas._contract(xp, _gradient(formulas, xp, prediction, target), along)
    if not isinstance(target_along, SymbolicZero):
        change += jax.jvp(
            lambda t: formulas._evaluate(xp, "value", prediction, t), (target,), (target_along,)
        )[1]
    return value, change


def _gradient_rule(formulas: Formulas, xp: Any, primals: Any, tangents: Any) -> Any:
    (prediction, target), (along, target_along) = primals, tangents
    gradient = _gradient(formulas, xp, prediction, target)
    change = jnp.zeros_like(gradient)
    if not isinstance(along, SymbolicZero):
        change += formulas._evaluate(xp, "hessian_product", prediction, target, along)
    if not isinstance(target_along, SymbolicZero):
        change += jax.jvp(
            lambda t: formulas._evaluate(xp, "gradient", prediction, t), (target,), (target_along,)
        )[1]
    return gradient, change


_value.defjvp(_value_rule, symbolic_zeros=True)
_gradient.defjvp(_gradient_rule, symbolic_zeros=True)
