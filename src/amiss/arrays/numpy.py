"""The namespace on NumPy arrays and scalars."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np

from amiss.arrays.array_namespace import ArrayNamespace
from amiss.arrays.namespace import Array, Formulas
from amiss.arrays.products import MatrixProducts
from amiss.kernels.products import add_product, product, shared_products

__all__ = ["NumpyNamespace", "is_array", "namespace"]


_ARRAYS = (np.ndarray, np.generic)  # a tuple, as Dynamo cannot trace a union of types


def is_array(value: object) -> bool:
    """Return whether `value` is a NumPy array or scalar."""
    return isinstance(value, _ARRAYS)


def namespace(array: Any) -> "NumpyNamespace":
    """Return the namespace bound to the dtype of `array`."""
    return _namespace(array.dtype)


class NumpyNamespace(MatrixProducts, ArrayNamespace):
    """NumPy has no tape: a value carries no gradient, and every value can be read."""

    library = "numpy"

    def is_half(self) -> bool:
        return bool(self.dtype.itemsize < 4)

    def single(self) -> "NumpyNamespace":
        return _namespace(np.dtype(np.float32))

    def kind(self, x: Array) -> str:
        if x.dtype.name == "bfloat16":
            return "floating"
        if x.dtype == np.longdouble and x.dtype.itemsize > 8:
            return "other"
        return {"f": "floating", "i": "integral", "u": "integral", "b": "bool"}.get(x.dtype.kind, "other")

    def visible(self, x: Array) -> bool:
        return True

    def scalar(self, x: Array) -> Array:
        return x[()]

    def host(self, *arrays: Array) -> tuple[Any, ...] | None:
        return arrays

    def quiet(self) -> AbstractContextManager[Any]:
        return np.errstate(all="ignore")

    def multiplying(self) -> AbstractContextManager[Any]:
        return shared_products()

    def set_product(self, out: Array, a: Array, b: Array) -> None:
        product(a, b, out)

    def add_product(self, out: Array, a: Array, b: Array, step: int) -> None:
        if not add_product(a, b, out):
            super().add_product(out, a, b, step)

    def differentiable(self, formulas: Formulas, prediction: Array, target: Array) -> Array:
        return formulas._evaluate(self, "value", prediction, target)


@cache
def _namespace(dtype: Any) -> NumpyNamespace:
    return NumpyNamespace(np, dtype)
