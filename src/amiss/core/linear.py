"""Cross-entropy of `hidden @ weight.T + bias` by chunks of rows, within a budget of bytes.

The logits of a chunk are turned into their derivative, which is multiplied into the gradients at once and
forgotten. The sums over chunks add up in the order of the rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isqrt
from typing import Any

import numpy as np

from amiss import kernels
from amiss.arrays import Array
from amiss.core.errors import BackendError
from amiss.core.inputs import Batch
from amiss.core.reduction import Reduction
from amiss.core.rows import ClassLoss, SoftmaxOptions

__all__ = ["Chunks", "LinearWork"]

Gradients = tuple[Array | None, Array | None, Array | None]

FEWEST_ROWS = 4
"""With fewer whole rows than these in a chunk, rows are cut into tiles of classes, though each logit is then
computed twice."""

EVEN_ROWS = 32
"""Of many rows a chunk takes a multiple of so many, which suits the products."""

TILE_ROWS = 64
"""How many rows a chunk has at most where rows are cut into tiles."""

COPIES = 14
"""How many arrays the portable formulas hold at once, at most, each as large as their input."""

LAG = 16
"""The derivative of a chunk trails its logits by one in so many rows. Fewer rows would leave threads idle;
how many threads there are must not matter, since what is rounded away depends on the chunks."""


@dataclass(frozen=True)
class Chunks:
    """How many rows and classes are worked on together, so that the working arrays stay in their budget.

    Args:
        rows: of a chunk.
        lag: rows by which the derivative trails the logits in one buffer; 0 where rows are cut.
        classes: of a tile; all of them, unless rows are cut.
        step: rows of the weight's gradient that a product adds to at once.
    """

    rows: int
    lag: int
    classes: int
    step: int

    @classmethod
    def within(
        cls,
        memory: int,
        shape: tuple[int, int, int],
        size: int,
        copies: int = 0,
        half: bool = False,
        gathered: bool = True,
    ) -> "Chunks":
        """Return the largest chunks within a budget.

        Args:
            memory: bytes.
            shape: the numbers of rows, of classes and of numbers in a row of `hidden`.
            size: bytes of a number.
            copies: logits held beside each logit that is being turned into a derivative.
            half: whether products are of half precision, so that logits and derivatives are copied.
            gathered: whether the rows of a chunk are copied together first.
        """
        rows, classes, width = max(1, shape[0]), shape[1], shape[2]
        workspace = min(memory // 5, 2**24)  # BLAS copies parts of its operands; a product waits to be added
        step = max(1, min(memory // 16, 2**22) // (size * width))
        line = size * classes  # a row of logits
        whole = line * (3 if half else 2) // 2 + (3 * size * width if gathered else 0)
        free = memory - workspace - 2 * line
        # A row costs itself and its part of the lag; then the lag is rounded, and the rows take the rest.
        most = min(rows, free * LAG // (LAG * whole + (1 + copies) * line))
        if most < min(rows, FEWEST_ROWS):
            numbers = max(16, memory // (size * (COPIES + 6)))
            tile = min(classes, max(isqrt(classes), numbers // min(rows, TILE_ROWS), min(numbers, 512)))
            return cls(max(1, min(rows, TILE_ROWS, numbers // tile, numbers // width)), 0, tile, step)
        lag = max(1, most // LAG)
        most = max(1, min(rows, (free - lag * (1 + copies) * line) // whole))
        even = EVEN_ROWS if most >= 4 * EVEN_ROWS else 1
        parts = -(-rows // (most // even * even))  # as equal as may be
        return cls(-(-rows // (parts * even)) * even, lag, classes, step)


@dataclass
class LinearWork:
    """Everything but the operands `hidden`, `weight` and `bias`, checked, and the loop over chunks.

    Args:
        loss: the cross-entropy of logits.
        batch: the labels (in `target`), and who counts how much.
        reduce: the reduction.
        memory: bytes of working arrays.
        items: any array with one entry per item.
    """

    loss: ClassLoss
    batch: Batch
    reduce: Reduction
    memory: int
    items: Array

    @property
    def is_scalar(self) -> bool:
        """Whether the value is one number."""
        return self.reduce.kind != "none"

    def no_second_derivative(self) -> BackendError:
        """Return the error that a derivative of a gradient raises."""
        return BackendError(
            f"{self.reduce.owner}: a gradient must not be differentiated again; got a second derivative. "
            "Compute the logits, and give them to CrossEntropy."
        )

    @cached_property
    def options(self) -> tuple[Any, float]:
        """The class weights, or None, and the smoothing; what is ignored never gets here."""
        options = self.loss._softmax_options or SoftmaxOptions()
        return options.class_weight, options.smoothing

    @cached_property
    def kernel(self) -> Any:
        """The kernel of chunks, or None."""
        weights, smoothing = self.options
        return kernels.softmax(weights, None, smoothing)

    def run(
        self, operands: tuple[Array | None, ...], wanted: tuple[bool, ...], upstream: Array | None = None
    ) -> tuple[Array, Gradients]:
        """Return the value, and the gradients of the operands that are wanted times a derivative upstream."""
        xp, reduce = self.batch.xp, self.reduce
        with xp.quiet(), xp.multiplying():
            factor = reduce.factor(self.batch, self.items)
            if upstream is not None:
                factor = factor * xp.cast(upstream)
            terms, gradients = self._run(operands, wanted, xp.reshape(factor, (-1,)))
            value = reduce.value_of_terms(self.batch, xp.reshape(terms, self.items.shape))
        return value, gradients

    def _run(
        self, operands: tuple[Array | None, ...], wanted: tuple[bool, ...], factor: Array
    ) -> tuple[Array, Gradients]:
        """Return factor * loss of each item, and the gradients of their sum."""
        xp, (hidden, weight, bias) = self.batch.xp, operands
        assert hidden is not None
        assert weight is not None
        shape, flat = hidden.shape, xp.reshape(hidden, (-1, hidden.shape[-1]))
        label = xp.reshape(self.batch.target, (-1,))
        kept = self._kept()
        count = flat.shape[0] if kept is None else kept.shape[0]
        chunks = self._chunks(count, weight, kept is not None)
        terms = xp.zeros_of(flat.shape[0])
        gradients = _Sums(xp, flat, weight, bias, wanted, chunks, count, kept is None)
        logits = _Logits(self, chunks, weight, bias, min(chunks.rows, count), any(wanted))
        for start in range(0, count, chunks.rows):
            end = min(start + chunks.rows, count)
            rows = slice(start, end) if kept is None else kept[start:end]
            x, part = flat[rows], xp.zeros_of(end - start)
            for classes, slope in logits.slopes(x, label[rows], factor[rows], part):
                gradients.add(rows, classes, slope, x)
            terms[rows] = part
        return terms, gradients.results(shape, self.batch.dtype)

    def _kept(self) -> Array | None:
        """Return the indices of the items that take part, or None for all."""
        xp, counted = self.batch.xp, self.batch.counted
        if counted is None:
            return None
        kept = xp.nonzero(xp.reshape(counted, (-1,)))
        return None if kept.shape[0] == counted.reshape(-1).shape[0] else kept

    def _chunks(self, count: int, weight: Array, gathered: bool) -> Chunks:
        xp = self.batch.xp
        probe = xp.zeros_of(1)
        copies = 0 if kernels.available() and xp.host(probe) is not None else COPIES
        shape, half = (count, *weight.shape), weight.dtype != xp.dtype
        return Chunks.within(self.memory, shape, probe.itemsize, copies, half, gathered)


class _Sums:
    """The gradients, to which chunks add.

    Args:
        xp: the namespace of the computation.
        hidden: the operand, as rows.
        weight: the operand.
        bias: the operand, or None.
        wanted: of which operands a gradient is wanted.
        chunks: their sizes.
        count: the number of rows that come.
        in_order: whether they are all rows, in their order.
    """

    def __init__(
        self,
        xp: Any,
        hidden: Array,
        weight: Array,
        bias: Array | None,
        wanted: tuple[bool, ...],
        chunks: Chunks,
        count: int,
        in_order: bool,
    ) -> None:
        self.xp, self.operand, self.chunks = xp, weight, chunks
        whole = chunks.lag > 0
        # What comes in order, and whole, is written where it belongs; so is the first chunk of the weight's
        # gradient, unless its product is of half precision, which takes a copy.
        self.direct = in_order and whole
        self.first = count > 0 and whole and weight.dtype == xp.dtype
        self.hidden = self.weight = self.bias = None
        if wanted[0]:
            self.hidden = xp.zeros(hidden) if whole else xp.zeros_of(*hidden.shape)
        if wanted[1]:
            self.weight = (xp.empty if self.first else xp.zeros_of)(*weight.shape)
        if bias is not None and wanted[2]:
            self.bias = xp.zeros_of(*bias.shape)

    def add(self, rows: Any, classes: slice, slope: Array, x: Array) -> None:
        """Add what the derivative in the logits of some rows and classes gives."""
        xp, weight = self.xp, self.operand[classes]
        if self.bias is not None:
            self.bias[classes] += xp.over_items(slope)[0]
        slope = xp.astype(slope, x.dtype)
        if self.hidden is not None and self.direct:
            xp.set_product(self.hidden[rows], slope, weight)
        elif self.hidden is not None:
            self.hidden[rows] += slope @ weight
        if self.weight is not None and self.first:
            xp.set_product(self.weight, slope.T, x)
        elif self.weight is not None:
            xp.add_product(self.weight[classes], slope.T, x, self.chunks.step)
        self.first = False

    def results(self, shape: tuple[int, ...], dtype: Any) -> Gradients:
        """Return the gradients in the shapes and the dtype of the operands."""
        found = (self.hidden, self.weight, self.bias)
        hidden, weight, bias = (None if x is None else self.xp.astype(x, dtype) for x in found)
        return None if hidden is None else self.xp.reshape(hidden, shape), weight, bias


class _Logits:
    """The logits of a chunk, and the derivative of its items in them."""

    def __init__(
        self, work: LinearWork, chunks: Chunks, weight: Array, bias: Array | None, rows: int, slope: bool
    ) -> None:
        self.work, self.chunks, self.weight, self.bias, self.slope = work, chunks, weight, bias, slope
        self.xp = work.batch.xp
        self.whole = chunks.lag > 0
        self.buffer = self.xp.empty(rows + chunks.lag, chunks.classes)

    def slopes(self, x: Array, label: Array, factor: Array, terms: Array) -> Iterator[tuple[slice, Array]]:
        """Write factor * loss of each row to `terms`; yield its derivative in the logits of some classes."""
        found = (self._by_rows if self.whole else self._by_tiles)(x, label, factor, terms)
        for classes, slope in found:
            if self.slope:
                yield classes, slope

    def _by_rows(self, x: Array, label: Array, factor: Array, terms: Array) -> Iterator[tuple[slice, Array]]:
        """Write the derivative over the logits, some rows behind them, where they were used already."""
        lag, count = self.chunks.lag, x.shape[0]
        logits = self.buffer[lag : lag + count]
        self.xp.set_product(logits, x, self.weight.T)
        for i in range(0, count, lag):
            some = slice(i, min(i + lag, count))
            z, slope = logits[some], self.buffer[some] if self.slope else None
            if self.bias is not None:
                z += self.bias
            terms[some] = self._terms(z, label[some], factor[some], slope)
        yield slice(0, self.chunks.classes), self.buffer[:count]

    def _terms(self, z: Array, label: Array, factor: Array, slope: Array | None) -> Array:
        """Return factor * loss of whole rows of logits, and write its derivative to `slope`."""
        xp, loss = self.xp, self.work.loss
        host = xp.host(z, label, factor, z if slope is None else slope)
        if host is not None:
            logits, labels, factors, into = host
            found = self._fused(logits, labels, factors, None if slope is None else into)
            if found is not None:
                return xp.from_host(found)
        if slope is not None:
            slope[...] = loss._evaluate(xp, "gradient", z, label) * factor[:, None]
        return loss._evaluate(xp, "value", z, label) * factor

    def _fused(self, z: Any, label: Any, factor: Any, slope: Any) -> Any:
        """Return what `_terms` does from the compiled kernel, or None where it does not serve."""
        wanted, out = (("value",), None) if slope is None else (("value", "gradient"), {"gradient": slope})
        found = kernels.evaluate(self.work.kernel, wanted, z, label, factor, None, out)
        return None if found is None else found[0]

    # A tile of classes and one class more, whose logit stands for all others, have the same softmax as the
    # whole row: its value and its gradient come from the same formulas, with targets that are rows of shares.
    def _by_tiles(self, x: Array, label: Array, factor: Array, terms: Array) -> Iterator[tuple[slice, Array]]:
        xp, count, every = self.xp, self.weight.shape[0], self.chunks.classes
        tiles = [slice(i, min(i + every, count)) for i in range(0, count, every)]
        sizes = xp.empty(x.shape[0], len(tiles))
        for j, tile in enumerate(tiles):
            sizes[:, j] = xp.logsumexp(self._tile(x, tile))[:, 0]
        plain, places = type(self.work.loss)(), xp.api.arange(len(tiles), device=xp.device)
        for j, tile in enumerate(tiles):
            others = xp.logsumexp(xp.where(places == j, -float("inf"), sizes))
            z = xp.concatenate(self._tile(x, tile), others)
            share, elsewhere = self._shares(label, tile)
            target = xp.concatenate(share, 0.0 * elsewhere)
            terms += plain._value(xp, z, target)[:, 0] * factor
            if self.slope:
                target[:, -1:] = elsewhere
                slope = plain._gradient(xp, z, target)[:, :-1]
                slope *= factor[:, None]
                yield tile, slope

    def _tile(self, x: Array, tile: slice) -> Array:
        logits = self.buffer[: x.shape[0], : tile.stop - tile.start]
        self.xp.set_product(logits, x, self.weight[tile].T)
        if self.bias is not None:
            logits += self.bias[tile]
        return logits

    def _shares(self, label: Array, tile: slice) -> tuple[Array, Array]:
        """Return how much the -log p of each class of a tile counts, and of the other classes together."""
        xp, (weights, smoothing) = self.xp, self.work.options
        classes = self.weight.shape[0]
        even = smoothing / classes
        share = xp.one_hot(label - tile.start, tile.stop - tile.start) * (1.0 - smoothing) + even
        own, total = xp.constant(1.0), float(classes)
        if weights is not None:
            weight = xp.cast(xp.asarray(np.asarray(weights)))
            share, own, total = share * weight[tile], weight[label][:, None], float(np.sum(weights))
        return share, (1.0 - smoothing) * own + even * total - xp.sum(share)
