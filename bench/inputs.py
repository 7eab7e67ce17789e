"""What losses of single numbers get, and the exact results for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.arrays.precise import PreciseNamespace
from bench.cases import Truth

DISTINCT = 509
"""How many different numbers the inputs hold, in any order: the truth of each can be computed."""

TOLERANCE = {"float32": 1e-3, "float64": 1e-6}
"""float32: sums of millions may lose so much. float64: peers that add an epsilon of 1e-7 differ so much."""


@dataclass(frozen=True)
class Inputs:
    """Predictions and targets: distinct pairs, and which of them stands where."""

    prediction: np.ndarray
    target: np.ndarray
    distinct: tuple[np.ndarray, np.ndarray]
    index: np.ndarray


# --- inputs ----------------------------------------------------------------------------------------------
Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def measured(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Errors of about 1.4: a third of Huber's are beyond its turning point."""
    return rng.normal(size=DISTINCT), rng.normal(size=DISTINCT)


def labelled(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(scale=3.0, size=DISTINCT), rng.integers(0, 2, DISTINCT)


def signed(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(scale=2.0, size=DISTINCT), rng.choice([-1.0, 1.0], DISTINCT)


def probable(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(0.01, 0.99, DISTINCT), rng.integers(0, 2, DISTINCT)


def counted(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=DISTINCT), rng.poisson(2.0, DISTINCT)


def rated(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(0.1, 5.0, DISTINCT), rng.poisson(2.0, DISTINCT)


def drawn(draw: Draw, size: int, dtype: str) -> Callable[[], Inputs]:
    """Return a function that draws inputs of a size and dtype."""

    def make() -> Inputs:
        rng = np.random.default_rng(0)
        x, t = (each.astype(dtype) for each in draw(rng))
        index = rng.integers(DISTINCT, size=size)
        return Inputs(x[index], t[index], (x, t), index)

    return make


# --- truth -----------------------------------------------------------------------------------------------
def exact(loss: Any, hessian: bool) -> Callable[[Inputs], tuple[Truth, ...]]:
    """Return how to compute mean and gradient, or derivatives of the sum, in numbers of 60 digits."""

    def truth(inputs: Inputs) -> tuple[Truth, ...]:
        xp = PreciseNamespace(60)
        x, t = (xp.array(each) for each in inputs.distinct)
        items = len(inputs.index)
        gradient = loss._gradient(xp, x, t)
        if hessian:
            pair = {"gradient": gradient, "hessian": loss._hessian(xp, x, t)}
            return tuple(Truth(name, *split(each), inputs.index) for name, each in pair.items())
        counts = np.bincount(inputs.index, minlength=DISTINCT)
        mean = sum(int(n) * each for n, each in zip(counts, loss._value(xp, x, t), strict=True)) / items
        return Truth("value", *split(mean)), Truth("gradient", *split(gradient / items), inputs.index)

    return truth


def split(numbers: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return long numbers as the nearest floats and what these leave over."""
    parts = np.frompyfunc(lambda number: (float(number), float(number - float(number))), 1, 2)(numbers)
    high, low = (np.asarray(part, np.float64) for part in parts)
    return high, low
