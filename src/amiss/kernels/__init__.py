"""The compiled kernels: a table by name, which knows no loss. Without a compiler it is empty."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

__all__ = [
    "activate",
    "apply",
    "available",
    "awake",
    "evaluate",
    "evaluate_tensors",
    "fingerprint",
    "flags",
    "gather",
    "instruction_set",
    "kernel",
    "kernel_at",
    "missing",
    "multiply",
    "names",
    "pull",
    "softmax",
    "thread_count",
    "threads",
    "total",
    "update",
]

_compiled: ModuleType | None
_missing = ""
try:
    from amiss.kernels import _compiled
except ImportError as error:  # the portable path serves everything
    _compiled = None
    _missing = str(error) if "processor" in str(error) else "a C++ compiler at installation builds them"

_BITS = {
    ("value",): 1,
    ("gradient",): 2,
    ("value", "gradient"): 3,
    ("hessian",): 4,
    ("gradient", "hessian"): 6,
}
"""What one pass computes; 8 stands for the sum of the values in their place."""

_NAMES = frozenset(_compiled.names()) if _compiled else frozenset()


def available() -> bool:
    """Return whether the compiled module is there."""
    return _compiled is not None


def missing() -> str:
    """Return why there is no compiled module, or an empty string."""
    return _missing


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
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _quota()))


def _quota() -> int:
    """Return how many cores the control group of a container may use, rounded up; many if it has no limit."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return -(-int(limit) // int(period))
    except (OSError, ValueError):
        return 1 << 30


_threads = 1


def _set_threads(count: int) -> None:
    global _threads  # noqa: PLW0603
    _threads = count
    if _compiled is not None:
        _compiled.set_threads(count)


_set_threads(_default_threads())


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
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"threads: count must be a whole number of at least 1; got {count!r}.")
        self._before = _threads
        _set_threads(count)

    def __enter__(self) -> "threads":
        return self

    def __exit__(self, *_: object) -> None:
        _set_threads(self._before)


@lru_cache(maxsize=1024)
def kernel(name: str, parameters: tuple[float, ...]) -> Any:
    """Return the kernel of a loss with its parameters, in the order of its fields, or None."""
    return _compiled.Kernel(name, list(parameters)) if _compiled and name in _NAMES else None


def kernel_at(entry: int) -> Any:
    """Return the kernel without parameters whose entry in a loaded library lies at an address."""
    assert _compiled is not None
    return _compiled.Kernel.at(entry)


def flags() -> list[str]:
    """Return what a compiler is told of accuracy and of this machine's instruction set."""
    assert _compiled is not None
    always, *others = _compiled.flags.split("|")
    sets = dict(text.split(":") for text in others)
    return [*always.split(), *sets.get(instruction_set(), "").split()]


@lru_cache(maxsize=1024)
def softmax(
    class_weight: tuple[float, ...] | None, ignored: int | None, smoothing: float, soft: bool = True
) -> Any:
    """Return the kernel of softmax cross-entropy, or None if nothing is compiled.

    Args:
        class_weight: one number per class.
        ignored: a class index whose rows count nothing.
        smoothing: which part of a target goes to all classes evenly.
        soft: whether the kernel serves rows of probabilities as it does class indices.
    """
    if _compiled is None:
        return None
    return _compiled.SoftmaxKernel(
        None if class_weight is None else list(class_weight), ignored, smoothing, soft
    )


def evaluate(
    kernel: Any,
    wanted: tuple[str, ...],
    prediction: Any,
    target: Any,
    weight: Any = None,
    divisor: float | None = 0.0,
    out: dict[str, Any] | None = None,
    dtype: Any = None,
) -> tuple[Any, ...] | None:
    """Return the wanted quantities of NumPy arrays from one pass over them.

    Args:
        kernel: what `kernel` or `softmax` returned.
        wanted: of "value", "gradient" and "hessian", in this order.
        prediction: an array of floating-point numbers, of any strides.
        target: one real number for each of them, or one class index for each row of them, or a row of
            probabilities.
        weight: one number per item, or of a shape that broadcasts to that; an item of weight 0 counts for
            nothing.
        divisor: of the sum of the values, and of the derivatives; 0 stands for the number of items, or the
            sum of their weights. None asks for one value per item, and divides nothing.
        out: arrays to write derivatives to, by quantity.
        dtype: of derivatives that are not written to `out`: that of the prediction, unless it is float32.

    Returns None where the kernel does not serve: another dtype, shape or layout, quantities that no kernel
    has together, an entry outside its domain, or nothing to divide by. The portable path says what is wrong.
    """
    bits = _BITS.get(wanted)
    if bits is None or kernel is None:
        return None
    value: Any = None
    gradient = hessian = None
    shape, dtype = prediction.shape, dtype or prediction.dtype
    wide = np.float64 if prediction.dtype == np.float64 else np.float32
    if bits & 1:
        if divisor is None:
            value = np.empty(kernel.items(shape), wide)
        else:
            bits += 7
    if bits & 2:
        gradient = out.get("gradient") if out else None
        gradient = np.empty(shape, dtype) if gradient is None else gradient
    if bits & 4:
        hessian = out.get("hessian") if out else None
        hessian = np.empty(shape, dtype) if hessian is None else hessian
    divided = 1.0 if divisor is None else divisor
    reduced = kernel.run(
        bits, divided, prediction, target, weight, value, gradient, hessian, not out, _threads
    )
    if reduced is None:
        return None
    if bits & 8:
        value = wide(reduced)
    return tuple([x for x in (value, gradient, hessian) if x is not None])


def evaluate_tensors(
    kernel: Any,
    exchange: Any,
    divisor: float,
    differentiates: bool,
    prediction: Any,
    target: Any,
    weight: Any,
) -> tuple[Any, Any] | None:
    """Return the reduced value of tensors, and its gradient or None, as tensors of the same library.

    Args:
        kernel: what `kernel` or `softmax` returned.
        exchange: the library's table of functions for DLPack's exchange, a capsule.
        divisor: as for `evaluate`.
        differentiates: whether the gradient is wanted.
        prediction: a tensor of floating-point numbers.
        target: as for `evaluate`, as is weight.
        weight: as above, or None.

    Returns None where the kernel does not serve, as `evaluate` does. The value of half precision is float32.
    """
    if kernel is None:
        return None
    found: tuple[Any, Any] | None = kernel.answer_tensors(
        exchange, divisor, differentiates, prediction, target, weight
    )
    return found


def activate(name: str, z: Any, bias: Any) -> bool:
    """Replace z by f(z + bias) in one pass; return whether a kernel did it.

    Args:
        name: of an activation f in `amiss.network.layers` that works number by number.
        z: (items, width), contiguous.
        bias: (width,) or None.
    """
    return _compiled is not None and bool(_compiled.activate(name, z, bias))


def pull(name: str, delta: Any, a: Any, out: Any, total: Any) -> bool:
    """Write dL/dz, given delta = dL/da, and its sum over the items; return whether a kernel did it.

    Args:
        name: as for `activate`.
        delta: (items, width), contiguous, as a and out are.
        a: what the activation gave.
        out: for dL/dz.
        total: (width,), for the sum, or None.
    """
    return _compiled is not None and bool(_compiled.pull(name, delta, a, out, total))


@contextmanager
def awake() -> Iterator[None]:
    """Keep the threads awake in the block: calls come soon one after the other, and may be smaller."""
    if _compiled is None:
        yield
        return
    _compiled.keep_awake(True)
    try:
        yield
    finally:
        _compiled.keep_awake(False)


def total(x: Any) -> float:
    """Return the sum of an array, right to the last digits: a Python number, whatever the dtype."""
    found = _compiled.total(x, _threads) if _compiled else None
    return float(np.sum(x, dtype=np.float64)) if found is None else float(found)


def update(name: str, arrays: Sequence[Any], numbers: Sequence[float]) -> bool:
    """Make a step of an optimiser in place; return whether a kernel did it.

    Args:
        name: that of a formula in `amiss.network.optimisers`.
        arrays: parameters, gradient and memories, contiguous and of one floating dtype.
        numbers: in the order of the formula.
    """
    return _compiled is not None and bool(_compiled.update(name, list(arrays), list(numbers), _threads))


def gather(x: Any, rows: Any, scale: float, dtype: Any) -> Any:
    """Return scale * x[rows] in a dtype: x itself where that is the same.

    Shapes:
        x: (items, width). rows: (n,) whole numbers, or None for all. result: (n, width).
    """
    if rows is None:
        if scale == 1.0:
            return x.astype(dtype, copy=False)
        return np.multiply(x, scale, dtype=dtype, casting="unsafe")
    out = np.empty((len(rows), x.shape[1]), dtype)
    if _compiled is None or not _compiled.gather(x, rows, scale, out, _threads):
        np.multiply(x[rows], scale, out=out, dtype=out.dtype, casting="unsafe")
    return out


def multiply(gemms: tuple[int, int, bool] | None, a: Any, b: Any, out: Any, adds: bool = False) -> bool:
    """Write the product of two matrices to `out`, by pieces; return whether it was done.

    Args:
        gemms: addresses of cblas_sgemm and cblas_dgemm, and whether they count in 64 bits; or None.
        a: as for `numpy.matmul`, as b and out are.
        b: as above.
        out: contiguous along its rows, and not in the memory of a or b.
        adds: whether to add the product to `out`.
    """
    if _compiled is None or gemms is None:
        return False
    return bool(_compiled.product(*gemms, a, b, out, adds, _threads))


def apply(name: str, x: Any) -> Any:
    """Return an elementary function of the kernels on an array: exp, expm1, log, log1p or tanh."""
    assert _compiled is not None
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    _compiled.apply(name, x, y)
    return y
