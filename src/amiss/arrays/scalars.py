"""A namespace whose numbers are objects: SymPy expressions, or mpmath's long floats.

One object is one number. A row is a NumPy array of objects, so that the row operations serve both. The
compound functions are the textbook forms here: a symbol needs no care in the tails, and 400 digits neither.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from amiss.arrays.namespace import Array, Namespace

__all__ = ["ScalarNamespace"]


class ScalarNamespace(Namespace):
    """Functions of one number, lifted over arrays of objects."""

    def lift(self, function: Callable[..., Any], *arguments: Array) -> Array:
        """Apply a function of numbers to numbers, or entry by entry to arrays of them."""
        if not any(isinstance(argument, np.ndarray) for argument in arguments):
            return function(*arguments)
        return np.frompyfunc(function, len(arguments), 1)(*arguments)

    def sum(self, x: Array) -> Array:
        return np.sum(x, axis=-1, keepdims=True)

    def row(self, values: tuple[float, ...], like: Array) -> Array:
        return np.array([self.number(value) for value in values], dtype=object)

    def length(self, x: Array) -> Any:
        return x.shape[-1]

    def number(self, value: Any) -> Any:
        """Return a Python number as an object of this namespace."""
        return value

    def full(self, value: float, like: Array) -> Array:
        return self.lift(lambda _: self.number(value), like)

    def weigh(self, weight: Array, x: Array) -> Array:
        return weight * x

    def over_items(self, x: Array) -> Array:
        return np.sum(x, axis=-2, keepdims=True)

    def largest_size(self, x: Array) -> Array:
        raise NotImplementedError("nothing overflows here")

    def splitter(self) -> Array:
        raise NotImplementedError("nothing is rounded here")

    def difference(self, x: Array, y: Array) -> tuple[Array, Array]:
        return x - y, 0

    def product(self, x: Array, y: Array) -> tuple[Array, Array]:
        return x * y, 0

    def scaled_difference(self, scale: Array, x: Array, y: Array) -> tuple[Array, Array]:
        return scale * (x - y), 0

    def corrected(self, value: Array, slope: Array, lost: Array) -> Array:
        return value

    def exp_less(self, x: Array, y: Array) -> Array:
        return self.exp(x) - y

    def exp_difference(self, x: Array, y: Array) -> Array:
        return self.exp(x - y)

    def power(self, x: Array, n: Array) -> Array:
        return x**n

    def log_ratio(self, x: Array, y: Array) -> Array:
        return self.log(x) - self.log(y)

    def sigmoid_power(self, x: Array, power: Array) -> Array:
        return self.sigmoid(x) ** power

    def ratio(self, x: Array, y: Array) -> Array:
        return x / y

    def sigmoid_slope(self, x: Array, weight: Array, lost: Array) -> Array:
        return weight * self.sigmoid(x) * self.sigmoid(-x)

    def scaled_exp(self, scale: Array, x: Array) -> Array:
        return scale * self.exp(x)

    def scaled_expm1(self, scale: Array, x: Array) -> Array:
        return scale * self.expm1(x)

    def softplus(self, x: Array) -> Array:
        return self.log1p(self.exp(x))

    def sigmoid(self, x: Array) -> Array:
        return 1 / (1 + self.exp(-x))

    def logsumexp(self, z: Array) -> Array:
        return self.log(self.sum(self.exp(z)))

    def log_softmax(self, z: Array) -> Array:
        return z - self.logsumexp(z)

    def softmax_and_rest(self, z: Array) -> tuple[Array, Array]:
        p = self.exp(z) / self.sum(self.exp(z))
        return p, 1 - p

    def softmax_pull(self, z: Array, slope: Array) -> Array:
        p, _ = self.softmax_and_rest(z)
        return p * (slope - self.sum(p * slope))

    def unit(self, x: Array) -> tuple[Array, Array]:
        length = self.sqrt(self.sum(x * x))
        return x / length, length

    def root_mean_square(self, x: Array, weight: Array) -> Array:
        return self.sqrt(self.over_items(weight * x * x) / self.over_items(weight))
