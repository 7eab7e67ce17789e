"""One namespace `xp` of about thirty operations, on every array library.

A formula is written once against `xp` and then called with NumPy, PyTorch, JAX or TensorFlow arrays, and
with three things that are no arrays: SymPy symbols (`symbolic`), recorded operations (`recorded`) and
numbers of 400 digits and more (`precise`). No framework is imported before an array of it arrives.
"""

from amiss.arrays.array_namespace import ArrayNamespace
from amiss.arrays.dispatch import (
    array_libraries,
    is_array,
    library_of,
    namespace_of,
    reduced,
    untraced,
)
from amiss.arrays.namespace import Array, Formulas, Namespace

__all__ = [
    "Array",
    "ArrayNamespace",
    "Formulas",
    "Namespace",
    "array_libraries",
    "is_array",
    "library_of",
    "namespace_of",
    "reduced",
    "untraced",
]
