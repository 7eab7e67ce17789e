"""The namespace on SymPy expressions: formulas as mathematics, for LaTeX and for proofs.

A row is either a NumPy array of symbols (finite, for proofs) or an expression in the class index `k` such as
z[k] (for reading): then a sum over the classes prints as a sum over j from 1 to K.
"""

from typing import Any

import numpy as np
import sympy

from amiss.arrays.namespace import Array
from amiss.arrays.scalars import ScalarNamespace

__all__ = ["CLASSES", "INDEX", "ITEM", "ITEMS", "SymbolicNamespace"]

INDEX = sympy.Symbol("k", integer=True, positive=True)
"""The class at which a row expression is taken."""

CLASSES = sympy.Symbol("K", integer=True, positive=True)
"""The number of classes."""

ITEM = sympy.Symbol("i", integer=True, positive=True)
"""The item of a batch at which an expression is taken."""

ITEMS = sympy.Symbol("N", integer=True, positive=True)
"""The number of items of a batch."""

_BOUND = sympy.symbols("j l m", integer=True, positive=True)
_ITEM_BOUND = sympy.symbols("n o q", integer=True, positive=True)


class SymbolicNamespace(ScalarNamespace):
    """SymPy's functions; nothing is rounded and nothing overflows.

    Args:
        named: whether to keep the names of the logistic function and of p = softmax(z), for reading; written
            out they can be proved.
        parts: whether to keep the names that a formula gives to parts of itself.

    Attributes:
        definitions: what these names stand for.
    """

    def __init__(self, named: bool = False, parts: bool = False) -> None:
        self.named = named
        self.parts = parts
        self.definitions: dict[Any, Any] = {}

    def named_part(self, name: str, x: Array) -> Array:
        if not self.parts:
            return x
        at = tuple(index for index in (ITEM, INDEX) if sympy.sympify(x).has(index))
        symbol = sympy.IndexedBase(name, real=True)[at] if at else sympy.Symbol(name, real=True)
        self.definitions[symbol] = x
        return symbol

    def sigmoid(self, x: Array) -> Array:
        if not self.named:
            return super().sigmoid(x)
        sigma = sympy.Function("sigma")
        return 1 - sigma(-x) if x.could_extract_minus_sign() else sigma(x)

    def number(self, value: Any) -> Any:
        return _exact(value)

    def softmax_and_rest(self, z: Array) -> tuple[Array, Array]:
        if not self.named:
            return super().softmax_and_rest(z)
        at = (ITEM, INDEX) if z.has(ITEM) else (INDEX,)
        p = sympy.IndexedBase("p", positive=True)[at]
        return p, 1 - p

    def abs(self, x: Array) -> Array:
        return self.lift(lambda a: sympy.Abs(a, evaluate=not self.named), x)

    def sign(self, x: Array) -> Array:
        return self.lift(sympy.sign, x)

    def exp(self, x: Array) -> Array:
        return self.lift(sympy.exp, x)

    def log(self, x: Array) -> Array:
        return self.lift(lambda a: -sympy.oo if a == 0 else sympy.log(a), x)

    def log1p(self, x: Array) -> Array:
        return self.lift(lambda a: sympy.log(1 + a), x)

    def expm1(self, x: Array) -> Array:
        return self.lift(lambda a: sympy.exp(a) - 1, x)

    def sqrt(self, x: Array) -> Array:
        return self.lift(sympy.sqrt, x)

    def tanh(self, x: Array) -> Array:
        return self.lift(sympy.tanh, x)

    def log_cosh(self, x: Array) -> Array:
        return self.lift(lambda a: sympy.log(sympy.cosh(a)), x)

    def sech_squared(self, x: Array) -> Array:
        return self.lift(lambda a: 1 / sympy.cosh(a) ** 2, x)

    def expm1_minus(self, x: Array) -> Array:
        return self.lift(lambda a: sympy.exp(a) - 1 - a, x)

    def maximum(self, x: Array, y: Array) -> Array:
        return self.lift(lambda a, b: sympy.Max(_exact(a), _exact(b)), x, y)

    def minimum(self, x: Array, y: Array) -> Array:
        return self.lift(lambda a, b: sympy.Min(_exact(a), _exact(b)), x, y)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return self.lift(lambda c, a, b: sympy.Piecewise((_exact(a), c), (_exact(b), True)), condition, x, y)

    def indicator(self, condition: Array) -> Array:
        return self.lift(lambda c: sympy.Piecewise((1, c), (0, True)), condition)

    def sum(self, x: Array) -> Array:
        if isinstance(x, np.ndarray):
            return super().sum(x)
        return _sum(x, INDEX, _BOUND, CLASSES)

    def over_items(self, x: Array) -> Array:
        return super().over_items(x) if isinstance(x, np.ndarray) else _sum(x, ITEM, _ITEM_BOUND, ITEMS)

    def max(self, x: Array) -> Array:
        return np.array([sympy.Max(*x)])

    def row(self, values: tuple[float, ...], like: Array) -> Array:
        if isinstance(values, sympy.IndexedBase):
            return values[INDEX]
        return super().row(values, like)

    def length(self, x: Array) -> Any:
        return super().length(x) if isinstance(x, np.ndarray) else CLASSES

    def clip(self, x: Array, low: Array, high: Array) -> Array:
        return self.lift(
            lambda a, b, c: sympy.Piecewise((b, a < b), (c, a > c), (a, True)), x, _exact(low), _exact(high)
        )


def _sum(x: Any, index: Any, bounds: Any, count: Any) -> Any:
    """Return the sum of an expression over an index, whose place a bound symbol takes."""
    x = sympy.sympify(x)
    bound = next(symbol for symbol in bounds if not x.has(symbol))
    return sympy.Sum(x.subs(index, bound), (bound, 1, count)) if x.has(index) else count * x


def _exact(value: Any) -> Any:
    """Return 0.0 as 0: a float in an expression would hide that a derivative is exactly zero."""
    return sympy.nsimplify(value) if isinstance(value, int | float) else value
