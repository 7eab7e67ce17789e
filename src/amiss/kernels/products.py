"""Matrix products: BLAS computes pieces, one thread each, and the threads of the kernels share them."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from itertools import product as pairs
from typing import Any

import numpy as np

from amiss import kernels

__all__ = ["add_product", "product", "shared_products"]

_shared = 0  # how many blocks of `shared_products` are open


@cache
def _gemms() -> tuple[int, int, bool] | None:
    """Return the addresses of sgemm and dgemm in NumPy's own BLAS, and whether it counts in 64 bits.

    None if it has other names for them.
    """
    extension = import_module("numpy._core._multiarray_umath")
    return gemms_in(ctypes.CDLL(extension.__file__))  # it leads to all that it was linked to


def gemms_in(library: ctypes.CDLL) -> tuple[int, int, bool] | None:
    """Return the same of any library, or of what it was linked to."""
    for prefix, suffix in pairs(("scipy_", ""), ("64_", "")):
        single, double = (getattr(library, f"{prefix}cblas_{letter}gemm{suffix}", None) for letter in "sd")
        if single and double:
            return _address(single), _address(double), suffix == "64_"
    return None


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@cache
def _libraries() -> Any:
    """Return what limits the threads of BLAS."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def shared_products() -> Iterator[None]:
    """Let the threads of the kernels share matrix products in the block, each with one thread of BLAS.

    BLAS's own threads wait for each other at every small product, and take the cores from whoever else works.
    Where NumPy's BLAS has no function of a known name, it keeps its threads.
    """
    global _shared  # noqa: PLW0603
    if not kernels.available() or not _gemms():
        yield
        return
    with _libraries().limit(limits=1, user_api="blas"), kernels.awake():
        _shared += 1
        try:
            yield
        finally:
            _shared -= 1


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the matrix product of two arrays, which the threads share in a block of `shared_products`.

    Results do not depend on the number of threads.
    """
    if out is None:
        out = np.empty((a.shape[0], b.shape[1]), np.result_type(a, b))
    if _shared and kernels.multiply(_gemms(), a, b, out):
        return out
    return np.matmul(a, b, out=out)


def add_product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> bool:
    """Add the matrix product to `out`, without an array for the product; return whether it was done."""
    return bool(_shared) and kernels.multiply(_gemms(), a, b, out, True)
