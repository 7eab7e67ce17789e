"""The compiled kernels: a table by name, which knows no loss. Without a compiler it is empty."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["available", "evaluate", "fingerprint", "instruction_set", "names"]

_compiled: ModuleType | None
try:
    from amiss.kernels import _compiled
except ImportError:  # built where there was no compiler: the portable path serves everything
    _compiled = None

_BIT = {"value": 1, "gradient": 2, "hessian": 4}
_NAMES = frozenset(_compiled.names()) if _compiled else frozenset()


def available() -> bool:
    """Return whether the compiled module is there."""
    return _compiled is not None


def names() -> frozenset[str]:
    """Return the names of the kernels."""
    return _NAMES


def instruction_set() -> str:
    """Return the instruction set that the kernels were compiled for, or "none"."""
    return str(_compiled.instruction_set) if _compiled else "none"


def fingerprint() -> str:
    """Return a digest of the formulas that the kernels were generated from, or an empty string."""
    return str(_compiled.fingerprint) if _compiled else ""


def evaluate(
    name: str, wanted: Sequence[str], parameters: Sequence[float], prediction: Any, target: Any
) -> dict[str, Any] | None:
    """Return the wanted quantities, each an array of the prediction's shape, from one pass over the inputs.

    Returns None where no kernel fits: another name, dtype or layout, or a quantity that kernels do not have.
    """
    if (
        name not in _NAMES
        or not all(quantity in _BIT for quantity in wanted)
        or not _fits(prediction, target)
    ):
        return None
    results = {quantity: np.empty_like(prediction) for quantity in wanted}
    unused = np.empty(0, prediction.dtype)
    outputs = [results.get(quantity, unused) for quantity in _BIT]
    bits = sum(_BIT[quantity] for quantity in wanted)
    assert _compiled is not None
    _compiled.evaluate(name, bits, list(parameters), prediction, target, *outputs)
    return results


def _fits(prediction: Any, target: Any) -> bool:
    return all(
        type(array) is np.ndarray
        and array.dtype in (np.float64, np.float32)
        and array.flags.c_contiguous
        and array.flags.aligned
        and array.dtype.isnative
        for array in (prediction, target)
    ) and (prediction.dtype == target.dtype and prediction.shape == target.shape)
