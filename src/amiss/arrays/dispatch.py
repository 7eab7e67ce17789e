"""Find the array library of a value, without importing any."""

import importlib.util
import sys
from typing import Any

from amiss.arrays.array_namespace import ArrayNamespace

__all__ = [
    "LIBRARIES",
    "array_libraries",
    "is_array",
    "library_of",
    "namespace_of",
    "reduced",
    "untraced",
]

LIBRARIES = ("numpy", "torch", "jax", "tensorflow")
"""Top-level modules whose arrays a loss takes; `amiss.arrays.<name>` holds the namespace of each."""

_of_type: dict[type, str | None] = {}


def library_of(value: object) -> str | None:
    """Return the name of the library whose array `value` is, or None.

    Only libraries that are imported already are asked: no array can come from another.

    Examples:
        >>> import numpy as np
        >>> library_of(np.zeros(2)), library_of([0.0])
        ('numpy', None)
    """
    kind = type(value)
    if kind not in _of_type:
        here = [name for name in LIBRARIES if sys.modules.get(name) is not None]
        found = [name for name in here if _module(name).is_array(value)]
        if not found and not _could_become_known(kind):
            return None
        _of_type[kind] = found[0] if found else None
    return _of_type[kind]


def is_array(value: object) -> bool:
    """Return whether `value` is an array of a supported library."""
    return library_of(value) is not None


def namespace_of(array: object) -> ArrayNamespace:
    """Return the namespace of `array`, bound to its dtype and device.

    Raises:
        LookupError: `array` belongs to no supported library.
    """
    name = library_of(array)
    if name is None:
        raise LookupError(f"{type(array).__module__}.{type(array).__qualname__} is no array that amiss knows")
    namespace: ArrayNamespace = _module(name).namespace(array)
    return namespace


def reduced(*arguments: Any) -> Any:
    """Return `amiss.arrays.torch.reduced` of tensors."""
    from amiss.arrays import torch

    return torch.reduced(*arguments)


def untraced(array: object, function: Any, *arguments: Any) -> Any:
    """Return what a function of `array` gives; where PyTorch compiles the program, that stays in Python."""
    if library_of(array) == "torch":
        return _module("torch").untraced(function, *arguments)
    return function(*arguments)


def array_libraries() -> list[str]:
    """Return the supported array libraries that are installed, found without importing them."""
    return [name for name in LIBRARIES if importlib.util.find_spec(name) is not None]


def _module(name: str) -> Any:
    # Plain import statements: a compiler that traces this code follows them, but not importlib.
    if name == "numpy":
        from amiss.arrays import numpy

        return numpy
    if name == "torch":
        from amiss.arrays import torch

        return torch
    if name == "jax":
        from amiss.arrays import jax

        return jax
    from amiss.arrays import tensorflow

    return tensorflow


def _could_become_known(kind: type) -> bool:
    """A builtin such as list never becomes an array type; remember only what cannot change."""
    return kind.__module__ == "builtins"
