"""Matrix products into arrays that can be written to, on the libraries that have such arrays."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from amiss.arrays.namespace import Array

__all__ = ["MatrixProducts"]


class MatrixProducts:
    """What a namespace of writable arrays offers to an algorithm that holds its own memory."""

    api: Any
    dtype: Any
    device: Any

    def empty(self, *shape: int) -> Array:
        """Return an array of the dtype of the computation whose numbers are yet to be written."""
        return self.api.empty(shape, dtype=self.dtype, device=self.device)

    def zeros_of(self, *shape: int) -> Array:
        """Return an array of zeros of the dtype of the computation."""
        return self.api.zeros(shape, dtype=self.dtype, device=self.device)

    def nonzero(self, condition: Array) -> Array:
        """Return the indices at which a condition on a vector holds."""
        return self.api.nonzero(condition)[0]

    def multiplying(self) -> AbstractContextManager[Any]:
        """Return a context in which many products are computed."""
        return nullcontext()

    def set_product(self, out: Array, a: Array, b: Array) -> None:
        """Write the matrix product of a and b to `out`."""
        self.api.matmul(a, b, out=out)

    def add_product(self, out: Array, a: Array, b: Array, step: int) -> None:
        """Add the matrix product of a and b to `out`, `step` rows at a time, as each takes a new array."""
        for i in range(0, out.shape[0], step):
            out[i : i + step] += self.api.matmul(a[i : i + step], b)

    def untracked(self, x: Array) -> Array:
        """Return x for a computation that no tape records."""
        return x

    def with_gradients(self, work: Any, *operands: Array | None) -> Array:
        """Return the value of `work` at its operands, with their gradients attached.

        Args:
            work: `work.run(operands, wanted, upstream)` returns the value, and the gradients in the operands
                that are wanted, times an upstream derivative.
            operands: arrays, or None where the work has no such operand.
        """
        return work.run(operands, (False,) * len(operands))[0]
