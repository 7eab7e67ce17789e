"""The namespace over an array library, and what the core asks of such a library beside formulas.

What the array API standard names alike is here, once; a library's own file holds where it differs.
"""

import math
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from amiss.arrays.namespace import Array, Formulas, Namespace

__all__ = ["ArrayNamespace"]


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

    def over_items(self, x: Array) -> Array:
        return self.api.sum(x, axis=-2, keepdims=True)

    def largest_size(self, x: Array) -> Array:
        return self.api.max(self.api.abs(x), axis=-2, keepdims=True, initial=0.0)

    def splitter(self) -> Array:
        return self.constant(2.0**27 + 1.0 if "float64" in str(self.dtype) else 2.0**12 + 1.0)

    def product(self, x: Array, y: Array) -> tuple[Array, Array]:
        return super().product(self._lift(x), self._lift(y))

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

    def concatenate(self, x: Array, y: Array) -> Array:
        """Return two arrays side by side along the last axis."""
        return self.api.concat((x, y), axis=-1)

    def columns(self, x: Array, width: Any) -> Array:
        """Return x as a table of rows of a width."""
        return self.api.reshape(x, (-1, width))

    def shaped(self, x: Array, like: Array) -> Array:
        """Return x in the shape of `like`."""
        return self.api.reshape(x, like.shape)

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
