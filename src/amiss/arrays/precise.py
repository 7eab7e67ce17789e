"""The namespace on mpmath numbers: the oracle of the tests.

50 digits would lose tails such as log(1 + exp(-740)); 400 keep them, and `digits` can be raised.
"""

from typing import Any

import mpmath
import numpy as np

from amiss.arrays.namespace import Array
from amiss.arrays.scalars import ScalarNamespace

__all__ = ["PreciseNamespace"]


class PreciseNamespace(ScalarNamespace):
    """mpmath's functions at a fixed number of digits.

    Examples:
        >>> xp = PreciseNamespace()
        >>> print(mpmath.nstr(xp.softplus(xp.number(-740.0)), 5))
        4.1887e-322
    """

    def __init__(self, digits: int = 400) -> None:
        self.context = mpmath.MPContext()
        self.context.dps = digits

    def number(self, value: Any) -> Any:
        return self.context.mpf(float(value))

    def array(self, values: Any) -> Array:
        """Return exact mpmath numbers for an array of floats."""
        exact: Array = np.frompyfunc(self.number, 1, 1)(np.asarray(values, dtype=np.float64))
        return exact

    def abs(self, x: Array) -> Array:
        return self.lift(abs, x)

    def sign(self, x: Array) -> Array:
        return self.lift(self.context.sign, x)

    def exp(self, x: Array) -> Array:
        return self.lift(self.context.exp, x)

    def log(self, x: Array) -> Array:
        return self.lift(lambda a: self.context.mpf("-inf") if a == 0 else self.context.log(a), x)

    def log1p(self, x: Array) -> Array:
        return self.lift(lambda a: self.context.mpf("-inf") if a == -1 else self.context.log(1 + a), x)

    def expm1(self, x: Array) -> Array:
        return self.lift(self.context.expm1, x)

    def sqrt(self, x: Array) -> Array:
        return self.lift(self.context.sqrt, x)

    def tanh(self, x: Array) -> Array:
        return self.lift(self.context.tanh, x)

    def log_cosh(self, x: Array) -> Array:
        return self.lift(lambda a: self.context.log(self.context.cosh(a)), x)

    def sech_squared(self, x: Array) -> Array:
        return self.lift(lambda a: 1 / self.context.cosh(a) ** 2, x)

    def expm1_minus(self, x: Array) -> Array:
        return self.lift(lambda a: self.context.exp(a) - 1 - a, x)

    def maximum(self, x: Array, y: Array) -> Array:
        return self.lift(lambda a, b: a if a != a or a > b else self._number(b), x, y)  # noqa: PLR0124

    def minimum(self, x: Array, y: Array) -> Array:
        return self.lift(lambda a, b: a if a != a or a < b else self._number(b), x, y)  # noqa: PLR0124

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return self.lift(lambda c, a, b: self._number(a if c else b), condition, x, y)

    def indicator(self, condition: Array) -> Array:
        return self.lift(lambda c: self.context.mpf(int(bool(c))), condition)

    def max(self, x: Array) -> Array:
        return np.max(x, axis=-1, keepdims=True)

    def weigh(self, weight: Array, x: Array) -> Array:
        return self.lift(
            lambda w, a: self.context.mpf(0) if w == 0 and abs(a) == mpmath.inf else w * a, weight, x
        )

    def _number(self, value: Any) -> Any:
        return self.context.mpf(value)
