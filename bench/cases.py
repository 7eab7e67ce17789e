"""What a case is: inputs, contestants that do the same work on them, the truth, and what amiss must reach."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

EAGER = "PyTorch eager"
"""The contestant that the targets name."""


@dataclass(frozen=True)
class Ready:
    """A contestant with its inputs in its own form.

    Args:
        call: does the work once and waits until it is done.
        read: turns what `call` returned into NumPy arrays, in the order of the case's truth.
        close: ends what `call` used.
    """

    call: Callable[[], Any]
    read: Callable[[Any], tuple[Any, ...]] = lambda result: result
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Contestant:
    """One way to do the work of a case.

    Args:
        name: what the table calls it.
        prepare: converts the inputs, which is not timed. What compiles does so in its first call.
        own: whether it is amiss.
        reused: whether it writes to arrays that the caller keeps. It is compared with amiss doing likewise.
        needs: the modules it imports; without them it is named as missing.
        compiles: whether its first call compiles, so that its memory is that of the second.
    """

    name: str
    prepare: Callable[[Any], Ready]
    own: bool = False
    reused: bool = False
    needs: tuple[str, ...] = ()
    compiles: bool = False

    def missing(self) -> tuple[str, ...]:
        """Return the modules that are not installed."""
        return tuple(name for name in self.needs if find_spec(name) is None)


@dataclass(frozen=True)
class Targets:
    """What is aimed at; None where nothing is.

    Args:
        best: the smallest ratio of any peer's time to amiss's.
        eager: the ratio of PyTorch eager.
        seconds: of one call of amiss.
        triad: the share of the triad's bandwidth, of amiss with reused outputs.
        memory: the peak beyond the inputs over the bytes that `Case.memory` allows.
    """

    best: float | None = None
    eager: float | None = None
    seconds: float | None = None
    triad: float | None = None
    memory: float | None = None


@dataclass(frozen=True)
class Case:
    """The same work for several contestants.

    Args:
        name: parts with slashes between them, so that patterns choose.
        inputs: draws what all get.
        contestants: who takes part.
        truth: returns the exact results for the inputs; None where there are none, and all must then agree
            with amiss.
        dtype: of the computation: its unit in the last place is that of the errors.
        tolerance: the largest difference from the truth, as a share of the largest entry, up to which a
            contestant counts as computing the same.
        targets: what is aimed at.
        traffic: the bytes that must move at least: inputs read once and outputs written once.
        memory: the bytes that may be needed beyond the inputs; 0 where memory is not measured.
        small: draws small inputs, whose call starts threads and makes buffers before memory is measured.
        by_entry: whether the error shown is that of the worst entry in ULP, or as a share of the largest.
        missing: why the case cannot be run, or "".
    """

    name: str
    inputs: Callable[[], Any]
    contestants: tuple[Contestant, ...]
    truth: Callable[[Any], "tuple[Truth, ...]"] | None = None
    dtype: str = "float32"
    tolerance: float = 1e-3
    targets: Targets = field(default_factory=Targets)
    traffic: int = 0
    memory: int = 0
    small: Callable[[], Any] | None = None
    by_entry: bool = True
    missing: str = ""


@dataclass(frozen=True)
class Truth:
    """The exact entries of one result.

    Args:
        name: "value", "gradient" or "hessian".
        high: the nearest float64 of each distinct entry, or row of entries.
        low: what these leave over.
        index: which of them stands at each place of the result; None if they are the result.
    """

    name: str
    high: np.ndarray
    low: np.ndarray
    index: np.ndarray | None = None

    def compare(self, found: Any, dtype: str) -> tuple[float, float]:
        """Return the largest difference over the largest entry, and the largest error in ULP of the dtype."""
        found, scale = np.asarray(found), float(np.abs(self.high).max())
        if found.shape != (self.high.shape if self.index is None else self.index.shape + self.high.shape[1:]):
            return np.inf, np.inf
        if self.index is None:
            parts = [(found, self.high, self.low)]
        else:  # in pieces, as long arrays would need as much again
            rows = max(1, (1 << 22) // max(1, self.high[0].size))
            starts = range(0, len(self.index), rows)
            parts = (
                (found[a : a + rows], self.high[self.index[a : a + rows]], self.low[self.index[a : a + rows]])
                for a in starts
            )
        apart = ulps = 0.0
        with np.errstate(all="ignore"):
            for got, high, low in parts:
                off = np.abs((got.astype(np.float64) - high) - low)
                unit = np.spacing(np.abs(high).astype(dtype)).astype(np.float64)
                apart = max(apart, float(off.max(initial=0.0)) / scale if np.isfinite(off).all() else np.inf)
                ulps = max(ulps, float((off / unit).max(initial=0.0)) if np.isfinite(off).all() else np.inf)
        return apart, ulps
