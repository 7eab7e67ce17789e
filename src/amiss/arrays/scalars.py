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
