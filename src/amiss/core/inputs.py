"""From what the caller gave to arrays that a formula can work with: library, dtype, shape, weight."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.arrays import is_array, namespace_of
from amiss.core.checking import first_bad, inspects
from amiss.core.errors import BackendError, DTypeError, ParameterError, ShapeError

__all__ = [
    "Batch",
    "convert",
    "dtype_name",
    "expand_weight",
    "fill",
    "open_floating",
    "open_prediction",
    "outputs",
    "require_same_shape",
    "same_shape",
]


@dataclass
class Batch:
    """The inputs of one evaluation, converted and checked.

    Attributes:
        xp: the namespace of the computation.
        prediction: in the dtype of the computation; the classes, if any, on the last axis.
        target: in the same dtype and layout.
        weight: one number per item, or None for ones.
        counted: which items take part, or None for all; the others were replaced by harmless numbers.
        mass: each item's share of the divisor of a mean, or None for ones.
        valid: which items have legal values, or None where that was checked.
        dtype: the dtype of the caller's prediction, which gradients return to.
        axis: where the class axis was, if it was not the last.
        whole: whether rows of targets were given as whole numbers, which must be one-hot.
        out: arrays to write derivatives to, by quantity.
    """

    xp: Any
    prediction: Any
    target: Any
    weight: Any = None
    counted: Any = None
    mass: Any = None
    valid: Any = None
    dtype: Any = None
    axis: int = -1
    whole: bool = False
    out: Any = None

    def restore(self, result: Any) -> Any:
        """Return an array of the prediction's shape in the caller's layout and dtype."""
        xp = self.xp
        if self.axis != -1:
            result = xp.moveaxis(result, -1, self.axis)
        return xp.astype(result, self.dtype)


def open_prediction(owner: str, prediction: Any) -> tuple[Any, Any, Any]:
    """Return the namespace of the computation, the prediction in its dtype, and the caller's dtype.

    Raises:
        DTypeError: the prediction is not made of real numbers, or is an integer tensor.
        BackendError: the prediction is of a library that amiss does not know.
    """
    xp, prediction, dtype = open_floating(owner, "prediction", prediction)
    return xp, xp.cast(prediction), dtype


def open_floating(owner: str, argument: str, x: Any) -> tuple[Any, Any, Any]:
    """Return the namespace of the computation, x as a floating array of the library, and its dtype.

    Raises:
        DTypeError: x is not made of real numbers, or is an integer tensor.
        BackendError: x is of a library that amiss does not know.
    """
    if not is_array(x) or isinstance(x, np.ma.MaskedArray):
        x = _from_python(owner, argument, x)
    xp = namespace_of(x)
    kind = xp.kind(x)
    if xp.library == "numpy" and kind in ("integral", "bool"):
        x = x.astype(np.float64)
        xp = namespace_of(x)
    elif xp.library == "numpy" and not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
        xp = namespace_of(x)
    elif kind != "floating":
        raise DTypeError(
            f"{owner}: {argument} must hold floating-point numbers; got dtype {dtype_name(x)}. "
            "Convert it first: a gradient with respect to whole numbers has no meaning."
        )
    return xp.single() if xp.is_half() else xp, xp.asarray(x), x.dtype


def convert(xp: Any, owner: str, argument: str, x: Any, leader: str = "prediction") -> Any:
    """Return a target or weight as an array of the library of the prediction (or `leader`), its dtype kept.

    Raises:
        BackendError: x is an array of another library.
        DTypeError: x is None, text, complex or objects.
    """
    if not is_array(x) or isinstance(x, np.ma.MaskedArray):
        x = _from_python(owner, argument, x)
    other = namespace_of(x)
    if other.library not in (xp.library, "numpy"):
        raise BackendError(
            f"{owner}: {argument} must be of the {leader}'s array library; got a {xp.library} {leader} "
            f"and a {other.library} {argument}. Convert one of them."
        )
    if other.kind(x) == "other":
        raise DTypeError(
            f"{owner}: {argument} must hold real numbers; got dtype {dtype_name(x)}. Convert it first."
        )
    return xp.asarray(x)


def _from_python(owner: str, argument: str, x: Any) -> Any:
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError(
            f"{owner}: {argument} must be a plain array; got a masked one, whose mask would be lost. Give "
            "its .data, and weight=~mask."
        )
    if x is None:
        raise DTypeError(f"{owner}: {argument} must be an array of numbers; got None.")
    module = type(x).__module__.partition(".")[0]
    if hasattr(x, "__array__") and module not in ("numpy", "pandas", "polars", "builtins"):
        raise BackendError(
            f"{owner}: {argument} must be a NumPy, PyTorch, JAX or TensorFlow array, or a list; "
            f"got {module}.{type(x).__name__}. Convert it first."
        )
    try:
        array = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise ShapeError(
            f"{owner}: {argument} must be rectangular; got a list that is not ({error})."
        ) from None
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"{owner}: {argument} must hold real numbers; got dtype {array.dtype}. Convert it first."
        )
    return array


def outputs(owner: str, prediction: Any, dtype: Any, out: dict[str, Any] | None) -> dict[str, Any]:
    """Return the arrays to write derivatives to, by quantity, each fit for it.

    Raises:
        BackendError: one is no NumPy array, or the prediction is of another library.
        ShapeError: one has not the prediction's shape.
        DTypeError: one has not the prediction's dtype.
        ParameterError: one cannot be written to.
    """
    given = {quantity: array for quantity, array in (out or {}).items() if array is not None}
    for array in given.values():
        if not isinstance(array, np.ndarray) or (
            is_array(prediction) and not isinstance(prediction, np.ndarray)
        ):
            raise BackendError(
                f"{owner}: out must be a NumPy array, for a NumPy prediction; got {type(array).__name__} for "
                f"{type(prediction).__name__}. Other libraries return new arrays: leave it out."
            )
        if array.shape != np.shape(prediction):
            raise ShapeError(
                f"{owner}: out must have the prediction's shape {np.shape(prediction)}; got {array.shape}."
            )
        if array.dtype != dtype:
            raise DTypeError(f"{owner}: out must have the gradient's dtype {dtype}; got {array.dtype}.")
        if not array.flags.writeable:
            raise ParameterError(f"{owner}: out must be writeable; got a read-only array. Give a copy of it.")
    return given


def fill(out: dict[str, Any], wanted: tuple[str, ...], results: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the results, those with an array to write to in that array."""
    for quantity, result in zip(wanted, results, strict=True):
        if quantity in out and out[quantity] is not result:
            np.copyto(out[quantity], result)
    return tuple(out.get(quantity, result) for quantity, result in zip(wanted, results, strict=True))


def dtype_name(x: Any) -> str:
    """Return the name of an array's dtype, without its library's."""
    return str(x.dtype).removeprefix("torch.")


def same_shape(a: tuple[int | None, ...], b: tuple[int | None, ...]) -> bool:
    """Return whether two shapes agree; a length that only a running program knows agrees with any."""
    return len(a) == len(b) and all(x is None or y is None or x == y for x, y in zip(a, b, strict=True))


def require_same_shape(xp: Any, owner: str, prediction: Any, other: Any, argument: str) -> None:
    """Raise unless an array has the prediction's shape.

    Raises:
        ShapeError: the shapes differ, even if they could be broadcast.
    """
    expected, got = xp.shape(prediction), xp.shape(other)
    if not same_shape(expected, got):
        raise ShapeError(
            f"{owner}: prediction and {argument} must have one shape; got prediction {expected}, "
            f"{argument} {got}. Reshape one of them; amiss never broadcasts."
        )


def expand_weight(xp: Any, owner: str, weight: Any, items: Any, argument: str = "weight") -> Any:
    """Return one weight per item from a weight of the items' shape, a leading part of it, or with 1s in it.

    Raises:
        ShapeError: the weight has another shape.
        DomainError: some weight is NaN.
    """
    weight = xp.cast(convert(xp, owner, argument, weight))
    shape, got = xp.shape(items), xp.shape(weight)
    leading = len(got) <= len(shape) and same_shape(shape[: len(got)], got)
    explicit = len(got) == len(shape) and all(
        w in (1, None) or n is None or w == n for n, w in zip(shape, got, strict=True)
    )
    if not (leading or explicit):
        raise ShapeError(
            f"{owner}: {argument} must have the items' shape {shape} or a leading part of it; got {got}. "
            f"Write other axes out with length 1, as in {argument}[None, :]."
        )
    present = ~xp.isnan(weight)
    if inspects(xp, present):
        first_bad(xp, owner, argument, "a number", weight, present, "A weight of 0 removes an item.")
    weight = xp.reshape(weight, got + (1,) * (len(shape) - len(got)))
    return xp.broadcast(weight, items)
