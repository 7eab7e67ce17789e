"""The operations that formulas are written in.

Stability lives here, so that formulas stay textbook: `softplus`, `sigmoid`, `softmax_and_rest` and their kin
keep every digit in the tails. In a row formula the classes lie on the last axis, and a reduction over them
(`sum`, `max`) keeps that axis with length 1, so that its result combines with the row again.
"""

import math
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

__all__ = ["Array", "ArrayNamespace", "Formulas", "Namespace"]

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

    # --- built from them -------------------------------------------------------------------------------
    def clip(self, x: Array, low: Array, high: Array) -> Array:
        """Return x limited to [low, high]; NaN stays NaN."""
        return self.minimum(self.maximum(x, low), high)

    def relu(self, x: Array) -> Array:
        """Return max(x, 0)."""
        return self.maximum(x, 0.0)

    def full(self, value: float, like: Array) -> Array:
        """Return a number in the shape of `like`; where that is NaN, so is the result."""
        return self.where(like == like, value, like)  # noqa: PLR0124 - the definition of NaN

    def weigh(self, weight: Array, x: Array) -> Array:
        """Return weight * x, where a weight of zero silences an infinity."""
        silent = (weight == 0.0) & (self.abs(x) == float("inf"))
        return weight * self.where(silent, 0.0, x)

    def xlogy(self, x: Array, y: Array) -> Array:
        """Return x * log(y), which is 0 where x is 0."""
        return self.weigh(x, self.log(y))

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

    def log_cosh(self, x: Array) -> Array:
        """Return log(cosh(x)), right to the last digits near 0 too, where it is x squared over 2."""
        size = self.abs(x)
        near = self.minimum(size, 1.0)
        grown = self.expm1(near)
        small = self.log1p(grown * grown / (2.0 * (grown + 1.0)))
        large = (size - 0.6931471805599453) + self.log1p(self.exp(-2.0 * size))
        return self.where(size <= 1.0, small, large)

    def sech_squared(self, x: Array) -> Array:
        """Return 1 / cosh(x) squared, which is 1 - tanh(x) squared without cancelling."""
        small = self.exp(-2.0 * self.abs(x))
        return 4.0 * small / ((1.0 + small) * (1.0 + small))

    def expm1_minus(self, x: Array) -> Array:
        """Return exp(x) - 1 - x; near 0, where it is x squared over 2, from its series."""
        near = self.clip(x, -1.0, 1.0)
        series = 1.0 / math.factorial(20)
        for k in range(19, 1, -1):
            series = series * near + 1.0 / math.factorial(k)
        return self.where(self.abs(x) <= 1.0, near * near * series, self.expm1(x) - self.minimum(x, 1e3))

    def _softmax_parts(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """Return the largest logit, where it is reached, exp(z - largest), and the sum of these less one.

        The largest term is exactly 1 and stays out of the sum, so nothing cancels for a confident row; the
        rounding error of the difference is put back to first order, as it would cost |z - largest| / 2 ULP.
        """
        largest = self.max(z)
        top = z == largest
        gap = self.where(top, 0.0, z - largest)
        back = gap - z
        error = (z - (gap - back)) - (largest + back)
        grown = self.exp(gap)
        grown = grown + grown * self.where(self.abs(error) < 1.0, error, 0.0)
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


class ArrayNamespace(Namespace):
    """A namespace over an array-API module, bound to the dtype and the device of one computation.

    Args:
        api: a module with the names of the array API standard.
        dtype: the floating dtype that Python numbers and indicators take.
        device: where new arrays are made.
    """

    library: str

    def __init__(self, api: Any, dtype: Any, device: Any = None) -> None:
        self.api = api
        self.dtype = dtype
        self.device = device

    def __reduce__(self) -> Any:
        raise TypeError("a namespace belongs to one computation and is not stored")

    # --- what formulas use -----------------------------------------------------------------------------
    def constant(self, value: Any) -> Array:
        """Return a Python number as an array of no dimensions in the dtype of the computation."""
        return self.api.asarray(value, dtype=self.dtype, device=self.device)

    def _lift(self, x: Array) -> Array:
        return self.constant(x) if isinstance(x, int | float) else x

    def abs(self, x: Array) -> Array:
        return self.api.abs(x)

    def sign(self, x: Array) -> Array:
        return self.api.sign(x)

    def exp(self, x: Array) -> Array:
        return self.api.exp(x)

    def log(self, x: Array) -> Array:
        return self.api.log(self._lift(x))

    def log1p(self, x: Array) -> Array:
        return self.api.log1p(x)

    def expm1(self, x: Array) -> Array:
        return self.api.expm1(x)

    def sqrt(self, x: Array) -> Array:
        return self.api.sqrt(x)

    def tanh(self, x: Array) -> Array:
        return self.api.tanh(x)

    def maximum(self, x: Array, y: Array) -> Array:
        return self.api.maximum(self._lift(x), self._lift(y))

    def minimum(self, x: Array, y: Array) -> Array:
        return self.api.minimum(self._lift(x), self._lift(y))

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return self.api.where(condition, self._lift(x), self._lift(y))

    def indicator(self, condition: Array) -> Array:
        return self.cast(condition)

    def sum(self, x: Array) -> Array:
        return self.api.sum(x, axis=-1, keepdims=True)

    def max(self, x: Array) -> Array:
        return self.api.max(x, axis=-1, keepdims=True)

    def row(self, values: tuple[float, ...], like: Array) -> Array:
        return self.api.asarray(values, dtype=like.dtype, device=self.device)

    def length(self, x: Array) -> Any:
        return x.shape[-1]

    # --- what the core uses ----------------------------------------------------------------------------
    def asarray(self, x: Any) -> Array:
        """Return x as an array of this library on this device, its dtype kept."""
        return self.api.asarray(x, device=self.device)

    def cast(self, x: Array) -> Array:
        """Return x in the dtype of the computation."""
        return self.astype(x, self.dtype)

    def astype(self, x: Array, dtype: Any) -> Array:
        """Return x in the given dtype."""
        return x if x.dtype == dtype else self.api.astype(x, dtype)

    def shape(self, x: Array) -> tuple[int | None, ...]:
        """Return the shape; a length that only a running program knows is None."""
        return tuple(x.shape)

    def ones(self, like: Array) -> Array:
        """Return ones in the shape of `like`."""
        return self.api.ones_like(like)

    def zeros(self, like: Array) -> Array:
        """Return floating zeros in the shape of `like`, in its dtype if that is floating."""
        return self.api.zeros(like.shape, dtype=like.dtype if self.kind(like) == "floating" else None)

    def zero_unless(self, condition: Array, x: Array) -> Array:
        """Return x where the condition holds, else 0, in the dtype of x."""
        return self.api.where(condition, x, self.api.zeros_like(x))

    def scalar(self, x: Array) -> Array:
        """Return an array of no dimensions as the library's users expect to meet a single number."""
        return x

    def classes(self, x: Array) -> Any:
        """Return the number of classes as a whole number: the length of the last axis."""
        return x.shape[-1]

    def isnan(self, x: Array) -> Array:
        """Return where x is not a number."""
        return x != x  # noqa: PLR0124 - the definition of NaN, on every library

    def total(self, x: Array) -> Array:
        """Return the sum of all entries."""
        return self.api.sum(x)

    def reshape(self, x: Array, shape: tuple[int | None, ...]) -> Array:
        """Return x with the given shape."""
        return self.api.reshape(x, shape)

    def broadcast(self, x: Array, like: Array) -> Array:
        """Return x repeated to the shape of `like`."""
        return self.api.broadcast_to(x, like.shape)

    def match(self, x: Array, like: Array) -> Array:
        """Return x, known to have the shape of `like`; a traced library checks that when it runs."""
        return x

    def moveaxis(self, x: Array, source: int, destination: int) -> Array:
        """Return x with one axis moved."""
        return self.api.moveaxis(x, source, destination)

    def one_hot(self, index: Array, classes: int) -> Array:
        """Return rows of 0 with a 1 at each index; an index outside the classes gives a row of 0."""
        counting = self.api.arange(classes, dtype=index.dtype, device=self.device)
        return self.cast(index[..., None] == counting)

    def kind(self, x: Array) -> str:
        """Return "floating", "integral", "bool" or "other"."""
        for name, standard in (("floating", "real floating"), ("integral", "integral"), ("bool", "bool")):
            if self.api.isdtype(x.dtype, standard):
                return name
        return "other"

    @abstractmethod
    def is_half(self) -> bool:
        """Return whether the dtype has fewer bits than float32, so that the loss computes in float32."""

    @abstractmethod
    def single(self) -> "ArrayNamespace":
        """Return the float32 namespace of the same library and device."""

    @abstractmethod
    def visible(self, x: Array) -> bool:
        """Return whether the values can be read now and cheaply: not traced, not on an accelerator."""

    def readable(self, x: Array) -> bool:
        """Return whether the values can be read now at all, if only by waiting for an accelerator."""
        return self.visible(x)

    def count(self, x: Array) -> Array:
        """Return the number of entries, in the dtype of the computation."""
        return self.constant(math.prod(x.shape))

    def index(self, x: Array) -> Array:
        """Return whole numbers in a signed type that holds every class index."""
        return self.astype(x, self.api.int64)

    def numbers(self, x: Array) -> Any:
        """Return a readable array as a NumPy array."""
        import numpy as np

        return np.asarray(x)

    def host(self, *arrays: Array) -> tuple[Any, ...] | None:
        """Return plain eager CPU arrays as NumPy arrays that share their memory, or None."""
        return None

    def from_host(self, array: Any) -> Array:
        """Return a NumPy array of `host` as an array of this library."""
        return array

    def quiet(self) -> AbstractContextManager[Any]:
        """Return a context in which log(0) and the like give their limits without a warning."""
        return nullcontext()

    @abstractmethod
    def differentiable(self, formulas: Formulas, prediction: Array, target: Array) -> Array:
        """Return the value of each item, with the analytic gradient and second derivative attached."""
