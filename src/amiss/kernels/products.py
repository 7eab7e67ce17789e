"""Matrix products: BLAS computes pieces, one thread each, and the threads of the kernels share them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from amiss import kernels

__all__ = ["add_product", "product", "shared_products"]

_shared = 0  # how many blocks of `shared_products` are open


@cache
def _gemms() -> tuple[Any, ...]:
    """Return SciPy's pointers to sgemm and dgemm; nothing if they are not to be had."""
    try:
        from scipy.linalg import cython_blas
    except ImportError:
        return ()
    return tuple(cython_blas.__pyx_capi__[name] for name in ("sgemm", "dgemm"))


@cache
def _libraries() -> Any:
    """Return what limits the threads of the BLAS of NumPy and SciPy, once both are there."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def shared_products() -> Iterator[None]:
    """Let the threads of the kernels share matrix products in the block, each with one thread of BLAS.

    BLAS's own threads wait for each other at every small product, and take the cores from whoever else works.
    Without SciPy, whose BLAS may be called from compiled code, it keeps its threads.
    """
    global _shared  # noqa: PLW0603
    if not kernels.available() or not _gemms():  # SciPy is loaded here: a limit reaches what is there
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
