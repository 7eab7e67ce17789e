"""The operations that formulas are written in.

Stability lives here, so that formulas stay textbook: `softplus`, `sigmoid`, `softmax_and_rest` and their kin
keep every digit in the tails. In a row formula the classes lie on the last axis, and a reduction over them
(`sum`, `max`) keeps that axis with length 1, so that its result combines with the row again.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, Protocol

__all__ = ["Array", "Formulas", "Namespace"]

Array = Any
"""An array of any supported library, a SymPy expression, a recorded operation or an mpmath number."""


class Formulas(Protocol):
    """What a namespace needs in order to attach an analytic gradient to a value."""

    def _evaluate(self, xp: Any, quantity: str, prediction: Array, target: Array, *extra: Array) -> Array:
        """Return "value" (per item), "gradient", or "hessian_product" with a direction."""

    def _contract(self, xp: Any, x: Array, y: Array) -> Array:
        """Return the inner product of x and y within each item."""

    def _spread(self, xp: Any, item: Array) -> Array:
        """Return one number per item in a shape that multiplies predictions."""


class Namespace(ABC):
    """Elementary operations (abstract) and what is built from them (here, once)."""

    # --- elementary, one per array library -------------------------------------------------------------
    @abstractmethod
    def abs(self, x: Array) -> Array: ...
    @abstractmethod
    def sign(self, x: Array) -> Array: ...
    @abstractmethod
    def exp(self, x: Array) -> Array: ...
    @abstractmethod
    def log(self, x: Array) -> Array: ...
    @abstractmethod
    def log1p(self, x: Array) -> Array: ...
    @abstractmethod
    def expm1(self, x: Array) -> Array: ...
    @abstractmethod
    def sqrt(self, x: Array) -> Array: ...
    @abstractmethod
    def tanh(self, x: Array) -> Array: ...
    @abstractmethod
    def maximum(self, x: Array, y: Array) -> Array: ...
    @abstractmethod
    def minimum(self, x: Array, y: Array) -> Array: ...
    @abstractmethod
    def where(self, condition: Array, x: Array, y: Array) -> Array: ...
    @abstractmethod
    def indicator(self, condition: Array) -> Array:
        """Return 1 where the condition holds, else 0, in the dtype of the computation."""

    @abstractmethod
    def sum(self, x: Array) -> Array:
        """Sum over the classes; the axis stays, with length 1."""

    @abstractmethod
    def max(self, x: Array) -> Array:
        """Largest over the classes; the axis stays, with length 1."""

    @abstractmethod
    def row(self, values: tuple[float, ...], like: Array) -> Array:
        """Return one constant per class, as a row of the dtype of `like`."""

    @abstractmethod
    def length(self, x: Array) -> Any:
        """Return the number of classes: the length of the last axis."""

    @abstractmethod
    def over_items(self, x: Array) -> Array:
        """Sum over the items of a batch, the last axis but one; the axis stays, with length 1."""

    @abstractmethod
    def largest_size(self, x: Array) -> Array:
        """Largest |x| over the items of a batch, 0 for none; the axis stays, with length 1."""

    @abstractmethod
    def splitter(self) -> Array:
        """Return 2^s + 1, where s is half of the dtype's significant bits, rounded up."""

    def named_part(self, name: str, x: Array) -> Array:
        """Return x; a printed formula calls it by its name, and says what that is beside it."""
        return x

    # --- built from them -------------------------------------------------------------------------------
    def clip(self, x: Array, low: Array, high: Array) -> Array:
        """Return x limited to [low, high]; NaN stays NaN."""
        return self.minimum(self.maximum(x, low), high)

    def relu(self, x: Array) -> Array:
        """Return max(x, 0)."""
        return self.maximum(x, 0.0)

    def multiply_add(self, x: Array, y: Array, z: Array) -> Array:
        """Return x * y + z, which a kernel rounds once."""
        return x * y + z

    def full(self, value: float, like: Array) -> Array:
        """Return a number in the shape of `like`; where that is NaN, so is the result."""
        return self.where(like == like, value, like)  # noqa: PLR0124 - the definition of NaN

    def weigh(self, weight: Array, x: Array) -> Array:
        """Return weight * x, where a weight of zero silences an infinity."""
        silent = (weight == 0.0) & (self.abs(x) == float("inf"))
        return weight * self.where(silent, 0.0, x)

    def ratio(self, x: Array, y: Array) -> Array:
        """Return x / y, which is 0 where x is 0."""
        return self.where(x == 0.0, self.full(0.0, y), x / y)

    def xlogy(self, x: Array, y: Array) -> Array:
        """Return x * log(y), which is 0 where x is 0."""
        return self.weigh(x, self.log(y))

    def power(self, x: Array, n: Array) -> Array:
        """Return x to the power n for x >= 0."""
        return self.exp(n * self.log(x))

    def log_ratio(self, x: Array, y: Array) -> Array:
        """Return log(x / y) for x, y >= 0, right to the last digits where they are close."""
        ratio = x / y
        moderate = (ratio > 1e-30) & (ratio < 1e30)
        far = self.where(moderate, self.log(self.where(moderate, ratio, 1.0)), self.log(x) - self.log(y))
        gap = x - y
        return self.where(self.abs(gap) <= 0.5 * y, self.log1p(gap / y), far)

    # What rounding takes from a difference or a product is a number of the dtype again (Dekker, 1971). Put
    # back to first order, it saves an exponential |x| / 2 ULP.
    def difference(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return x - y and what rounding took from it, or 0 where that is no small number."""
        gap = x - y
        back = gap - x
        return gap, self._if_small((x - (gap - back)) - (y + back))

    def product(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return x * y and what rounding took from it, or 0 where that is no small number."""
        whole = x * y
        (a, b), (c, d) = self._halves(x), self._halves(y)
        return whole, self._if_small(((a * c - whole) + a * d + b * c) + b * d)

    def _halves(self, x: Array) -> tuple[Array, Array]:
        """Return two numbers of half the significant bits that add up to x."""
        grown = self.splitter() * x
        high = grown - (grown - x)
        return high, x - high

    def _if_small(self, lost: Array) -> Array:
        return self.where(self.abs(lost) < 1.0, lost, 0.0)

    def scaled_difference(self, scale: Array, x: Array, y: Array) -> tuple[Array, Array]:
        """Return scale * (x - y) and what rounding took from it."""
        gap, lost = self.difference(x, y)
        whole, more = self.product(scale, gap)
        return whole, self._if_small(more + scale * lost)

    def corrected(self, value: Array, slope: Array, lost: Array) -> Array:
        """Return f(x + lost) from the value and the slope of f at x."""
        return value + self.where(self.abs(slope) < float("inf"), slope * lost, 0.0)

    def exp_less(self, x: Array, y: Array) -> Array:
        """Return exp(x) - y, infinite where the exponential is."""
        grown = self.exp(x)
        return grown - self.where(grown == float("inf"), 0.0, y)

    def exp_difference(self, x: Array, y: Array) -> Array:
        """Return exp(x - y) to a few ULP; rounding x - y alone would cost |x - y| / 2 of them."""
        gap, lost = self.difference(x, y)
        return self.exp(gap) * (1.0 + lost)

    def softplus(self, x: Array) -> Array:
        """Return log(1 + exp(x)), right to the last digits in both tails."""
        return self.relu(x) + self.log1p(self.exp(-self.abs(x)))

    def log_sigmoid(self, x: Array) -> Array:
        """Return log(sigmoid(x))."""
        return -self.softplus(-x)

    def sigmoid(self, x: Array) -> Array:
        """Return 1 / (1 + exp(-x)); call it with -x for its complement, which keeps the digits."""
        small = self.exp(-self.abs(x))
        return self.where(x >= 0.0, 1.0, small) / (1.0 + small)

    def sigmoid_power(self, x: Array, power: Array) -> Array:
        """Return sigmoid(x) to a power, a few ULP off in the tail where it is exp(power * x), too."""
        tail, lost = self.product(power, self.minimum(x, 0.0))
        near = self.exp(-power * self.log1p(self.exp(-self.abs(x))))
        return self.exp(tail) * (1.0 + lost) * near

    def sigmoid_slope(self, x: Array, weight: Array, lost: Array) -> Array:
        """Return weight * sigmoid(x) * sigmoid(-x), given what rounding took from the weight."""
        size = self.abs(x)
        small = self.exp(-size)
        whole, more = self.difference(1.0, -(2.0 * small + small * small))
        # Far away the exponential alone may be subnormal, and a weight would multiply what that loses.
        far = (weight * math.exp(-64.0)) * self.exp(64.0 - size)
        slope = self.where(size > 80.0, far, weight / whole * small)
        return slope + slope * (lost / weight - more / whole)

    def log_cosh(self, x: Array) -> Array:
        """Return log(cosh(x)), right to the last digits near 0 too, where it is x squared over 2."""
        size = self.abs(x)
        near = self.minimum(size, 1.0)
        square = near * near
        series = 1.0 / math.factorial(18)
        for k in range(16, 0, -2):  # of (cosh(x) - 1) / x squared
            series = series * square + 1.0 / math.factorial(k)
        large = (size - 0.6931471805599453) + self.log1p(self.exp(-2.0 * size))
        return self.where(size <= 1.0, self.log1p(square * series), large)

    def sech_squared(self, x: Array) -> Array:
        """Return 1 / cosh(x) squared, which is 1 - tanh(x) squared without cancelling."""
        small = self.exp(-2.0 * self.abs(x))
        return 4.0 * small / (1.0 + small * (2.0 + small))

    def scaled_exp(self, scale: Array, x: Array) -> Array:
        """Return scale * exp(x), infinite only where that overflows."""
        return self._scaled(scale, x, self.exp(x))

    def scaled_expm1(self, scale: Array, x: Array) -> Array:
        """Return scale * (exp(x) - 1), infinite only where that overflows."""
        return self._scaled(scale, x, self.expm1(x))

    def _scaled(self, scale: Array, x: Array, grown: Array) -> Array:
        late = (scale * math.exp(64.0)) * self.exp(x - 64.0)
        return self.where(grown == float("inf"), late, scale * grown)

    def expm1_minus(self, x: Array) -> Array:
        """Return exp(x) - 1 - x; near 0, where it is x squared over 2, from its series."""
        near = self.clip(x, -1.0, 1.0)
        series = 1.0 / math.factorial(20)
        for k in range(19, 1, -1):
            series = series * near + 1.0 / math.factorial(k)
        return self.where(self.abs(x) <= 1.0, near * near * series, self.expm1(x) - self.minimum(x, 1e3))

    def _softmax_parts(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """Return the largest logit, where it is reached, exp(z - largest), and the sum of these less one.

        The largest term is exactly 1 and stays out of the sum, so nothing cancels for a confident row.
        """
        largest = self.max(z)
        top = z == largest
        grown = self.where(top, 1.0, self.exp_difference(z, largest))
        rest = self.sum(self.where(top, 0.0, grown)) + (self.sum(self.indicator(top)) - 1.0)
        return largest, top, grown, rest

    def logsumexp(self, z: Array) -> Array:
        """Return log of the sum over the classes of exp(z)."""
        largest, _, _, rest = self._softmax_parts(z)
        return largest + self.log1p(rest)

    def log_softmax(self, z: Array) -> Array:
        """Return log(softmax(z)): for the largest logit -log1p(sum of the others), which never cancels."""
        largest, top, _, rest = self._softmax_parts(z)
        return self.where(top, 0.0, z - largest) - self.log1p(rest)

    def softmax(self, z: Array) -> Array:
        """Return exp(z) / sum(exp(z))."""
        return self.softmax_and_rest(z)[0]

    def softmax_and_rest(self, z: Array) -> tuple[Array, Array]:
        """Return p = softmax(z) and 1 - p, the latter without subtracting from 1."""
        _, top, grown, rest = self._softmax_parts(z)
        whole = 1.0 + rest
        return grown / whole, self.where(top, rest, whole - grown) / whole

    def softmax_pull(self, z: Array, slope: Array) -> Array:
        """Return the derivative in the logits z of a function of p = softmax(z) with a given slope in p.

        It is p (slope - sum(p slope)). Counted from the slope of the largest class, which changes nothing,
        the sum is small for a confident row and does not cancel.
        """
        _, top, _, _ = self._softmax_parts(z)
        highest = self.indicator(top)
        slope = slope - self.sum(self.weigh(highest, slope)) / self.sum(highest)
        p = self.softmax(z)
        return p * (slope - self.sum(p * slope))

    # --- a row of real numbers -------------------------------------------------------------------------
    def unit(self, x: Array) -> tuple[Array, Array]:
        """Return the row divided by its length, and the length; no square overflows.

        A row of 0 stays 0; a row with infinite numbers points where these do.
        """
        size = self.abs(x)
        largest = self.max(size)
        endless = largest == float("inf")
        scale = self.where((largest == 0.0) | endless, 1.0, largest)
        farthest = self.where(size == float("inf"), self.sign(x), 0.0)
        scaled = self.where(endless, farthest, self.where(endless, 0.0, x) / scale)
        length = self.sqrt(self.sum(scaled * scaled))
        return scaled / self.where(length == 0.0, 1.0, length), length * largest

    # --- a batch of items ------------------------------------------------------------------------------
    def root_mean_square(self, x: Array, weight: Array) -> Array:
        """Return the root of the weighted mean of squares over the items; no square overflows."""
        largest = self.largest_size(x)
        scale = self.where((largest == 0.0) | (largest == float("inf")), 1.0, largest)
        scaled = x / scale
        return scale * self.sqrt(self.over_items(weight * scaled * scaled) / self.over_items(weight))
