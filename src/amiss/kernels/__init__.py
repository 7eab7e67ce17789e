"""The compiled kernels: a table by name, which knows no loss. Without a compiler it is empty."""

import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "apply",
    "available",
    "cross_entropy",
    "evaluate",
    "fingerprint",
    "instruction_set",
    "names",
    "thread_count",
    "threads",
    "total",
]

_compiled: ModuleType | None
try:
    from amiss.kernels import _compiled
except ImportError:  # built where there was no compiler: the portable path serves everything
    _compiled = None

_BIT = {"value": 1, "gradient": 2, "hessian": 4, "sum": 8}
_SETS = frozenset((1, 2, 3, 4, 6, 8, 10))
_NAMES = frozenset(_compiled.names()) if _compiled else frozenset()


def available() -> bool:
    """Return whether the compiled module is there."""
    return _compiled is not None


def names() -> frozenset[str]:
    """Return the names of the kernels."""
    return _NAMES


def instruction_set() -> str:
    """Return the instruction set that was chosen for this machine, or "none"."""
    return str(_compiled.instruction_set()) if _compiled else "none"


def fingerprint() -> str:
    """Return a digest of the formulas that the kernels were generated from, or an empty string."""
    return str(_compiled.fingerprint) if _compiled else ""


def _default_threads() -> int:
    given = os.environ.get("AMISS_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_threads = _default_threads()


def thread_count() -> int:
    """Return how many threads a large array is spread over."""
    return _threads


class threads:  # noqa: N801 - used like a function, in a `with` block
    """Set how many threads the kernels use; as a context manager, until the block ends.

    Results do not depend on it, to the last bit.

    Examples:
        >>> with threads(1):
        ...     thread_count()
        1
    """

    def __init__(self, count: int) -> None:
        global _threads
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"threads: count must be a whole number of at least 1; got {count!r}.")
        self._before, _threads = _threads, count

    def __enter__(self) -> "threads":
        return self

    def __exit__(self, *_: object) -> None:
        global _threads  # noqa: PLW0603
        _threads = self._before


class ScaledSum(NamedTuple):
    """A sum that was shrunk by a power of two if it would have overflowed."""

    sum: float
    shrink: float

    def over(self, divisor: float) -> float:
        """Return the sum divided by a number, which may be finite where the sum is not."""
        return self.sum / divisor / self.shrink


def evaluate(
    name: str,
    wanted: Sequence[str],
    parameters: Sequence[float],
    prediction: Any,
    target: Any,
    weight: Any = None,
    factor: float = 1.0,
    out: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Return the wanted quantities from one pass over the inputs.

    Args:
        name: that of a kernel.
        wanted: of "value" (one per entry), "gradient", "hessian" and "sum" (of the values).
        parameters: in the order of the loss's fields.
        prediction: an array of float32 or float64.
        target: of the same shape and dtype.
        weight: of the same shape and dtype, or None; an entry of weight 0 counts for nothing.
        factor: multiplies gradient and Hessian.
        out: arrays to write derivatives to, by quantity. One that does not suit the kernel is left alone.

    Returns None where no kernel fits: another name, dtype or layout, quantities that no kernel has together,
    or an entry outside its domain, which the portable path then names.
    """
    bits = sum(_BIT.get(quantity, 0) for quantity in wanted)
    arrays: tuple[Any, ...] = (prediction, target) if weight is None else (prediction, target, weight)
    if name not in _NAMES or bits not in _SETS or not set(wanted) <= _BIT.keys() or not _fit(arrays):
        return None
    assert _compiled is not None
    arrays = tuple(map(_plain, arrays))
    results = {quantity: np.empty_like(arrays[0]) for quantity in wanted if quantity != "sum"}
    for quantity, array in (out or {}).items():
        if _suits(array, arrays):
            results[quantity] = array
    inside, total, shrink = _compiled.evaluate(
        name,
        bits,
        list(parameters),
        *arrays,
        *((None,) if weight is None else ()),
        factor,
        *(results.get(quantity) for quantity in ("value", "gradient", "hessian")),
        _threads,
    )
    if "sum" in wanted:
        results["sum"] = ScaledSum(total, shrink)
    return results if inside else None


def cross_entropy(
    prediction: Any,
    label: Any,
    weight: Any = None,
    class_weight: Sequence[float] | None = None,
    ignored: int | None = None,
    smoothing: float = 0.0,
    factor: float = 1.0,
    wanted: Sequence[str] = ("value",),
    gradient: Any = None,
) -> dict[str, Any] | None:
    """Return "value", "gradient" and "sum" (of values) of softmax cross-entropy with class indices.

    Shapes:
        prediction, gradient: (..., K). label, weight, value: (...).

    The gradient is written to `gradient`, if that is given: contiguous, of the prediction's shape and dtype,
    and apart from it.

    Returns None where the kernel does not fit, or where a label is no class, which the portable path names.
    """
    if _compiled is None or not set(wanted) <= {"value", "gradient", "sum"}:
        return None
    floats = (prediction,) if weight is None else (prediction, weight)
    if not all(_is_plain(array) for array in floats) or label.size == 0:
        return None
    prediction, label = _plain(prediction), _plain(label.astype(np.int64, copy=False))
    results = {
        quantity: np.empty(label.shape if quantity == "value" else prediction.shape, prediction.dtype)
        for quantity in wanted
        if quantity != "sum" and not (quantity == "gradient" and gradient is not None)
    }
    if "gradient" in wanted and gradient is not None:
        results["gradient"] = gradient
    fine, total_of_values, shrink = _compiled.cross_entropy(
        prediction,
        label,
        None if weight is None else _plain(weight),
        None if class_weight is None else np.asarray(class_weight, prediction.dtype),
        ignored,
        smoothing,
        factor,
        results.get("value"),
        results.get("gradient"),
        "sum" in wanted,
        _threads,
    )
    found: dict[str, Any] = results
    if "sum" in wanted:
        found["sum"] = ScaledSum(total_of_values, shrink)
    return found if fine else None


def total(x: Any) -> float:
    """Return the sum of an array, right to the last digits: a Python number, whatever the dtype."""
    if _compiled is None or not _is_plain(x):
        return float(np.sum(x, dtype=np.float64))
    return ScaledSum(*_compiled.total(_plain(x))).over(1.0)


def apply(name: str, x: Any) -> Any:
    """Return an elementary function of the kernels on an array: exp, expm1, log, log1p or tanh."""
    assert _compiled is not None
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    _compiled.apply(name, x, y)
    return y


def _suits(out: Any, arrays: tuple[Any, ...]) -> bool:
    """Return whether a kernel may write to an array: contiguous, and apart from what is read."""
    apart = not any(np.may_share_memory(out, array) for array in arrays)
    return (
        _is_plain(out)
        and out.flags.c_contiguous
        and out.flags.aligned
        and out.shape == arrays[0].shape
        and apart
    )


def _is_plain(array: Any) -> bool:
    return type(array) is np.ndarray and array.dtype in (np.float64, np.float32) and array.dtype.isnative


def _plain(array: Any) -> Any:
    """Return an array as kernels read it: contiguous and aligned."""
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.require(array, requirements=["C", "A"])


def _fit(arrays: tuple[Any, ...]) -> bool:
    first = arrays[0]
    return all(
        _is_plain(array) and array.dtype == first.dtype and array.shape == first.shape for array in arrays
    )
