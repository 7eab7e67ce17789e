"""Optimisers: how a gradient moves the parameters.

An optimiser is a value that holds settings only. `start` binds it to a flat buffer of parameters and one of
gradients, and returns the function that makes one step. What is remembered from step to step lives in that
function, so that nothing leaks from one run into the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from numbers import Real

import numpy as np

from amiss.core.errors import ParameterError

__all__ = ["SGD", "Adam"]

BLOCK = 32_768  # Adam finishes so many parameters before the next: they stay in the processor's cache

POSITIVE = "positive and finite", lambda value: 0 < value < inf
FRACTION = "in [0, 1)", lambda value: 0 <= value < 1


def _check(optimiser: object, **rules: tuple[str, Callable[[float], bool]]) -> None:
    for argument, (rule, holds) in rules.items():
        value = getattr(optimiser, argument)
        if not isinstance(value, Real) or not holds(value):
            raise ParameterError(f"{type(optimiser).__name__}: {argument} must be {rule}; got {value!r}.")


def _forget(memory: np.ndarray, steps: int) -> None:
    """Set to 0, every 64 steps, what has decayed to nearly nothing.

    The memory of a weight that gets no gradient any more, as below a dead relu, decays until it is too small
    for a normal number. There rounding stops the decay, and a multiplication takes some thirty times as long.
    """
    if steps % 64 == 0:
        np.multiply(memory, np.abs(memory) > 1e6 * np.finfo(memory.dtype).tiny, out=memory)


@dataclass(frozen=True)
class SGD:
    """Gradient descent, with momentum if asked for: v ← µv + g, w ← w − ηv.

    Args:
        learning_rate: η, positive.
        momentum: µ, in [0, 1).
        nesterov: Look ahead: w ← w − η(g + µv).

    Raises:
        ParameterError: A setting is out of its range, or nesterov has no momentum.

    Source:
        Sutskever et al. (2013), ICML, PMLR 28(3), 1139-1147; as in PyTorch, η multiplies v and not g.

    Examples:
        >>> w, g = np.array([1.0]), np.array([2.0])
        >>> step = SGD(0.1, momentum=0.5).start(w, g)
        >>> step()  # v = 2
        >>> step()  # v = 0.5 * 2 + 2 = 3
        >>> w.round(6)  # 1 - 0.1 * 2 - 0.1 * 3
        array([0.5])
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        _check(self, learning_rate=POSITIVE, momentum=FRACTION)
        if self.nesterov and not self.momentum:
            raise ParameterError("SGD: momentum must be positive for nesterov; got 0. Try momentum=0.9.")

    def start(self, parameters: np.ndarray, gradient: np.ndarray) -> Callable[[], None]:
        """Return the function that makes one step: it reads `gradient` and changes `parameters` in place."""
        rate, momentum, steps = float(self.learning_rate), float(self.momentum), 0
        velocity, change = np.zeros_like(parameters), np.empty_like(parameters)

        def step() -> None:
            nonlocal steps
            steps += 1
            direction = gradient
            if momentum:
                _forget(velocity, steps)
                np.multiply(velocity, momentum, out=velocity)
                direction = np.add(velocity, gradient, out=velocity)
            if self.nesterov:
                np.multiply(velocity, momentum, out=change)
                direction = np.add(change, gradient, out=change)
            np.multiply(direction, rate, out=change)
            np.subtract(parameters, change, out=parameters)

        return step


@dataclass(frozen=True)
class Adam:
    """Adam: w ← w − η m̂ / (√v̂ + ε), with m̂ and v̂ the running means of g and g², freed of their bias to 0.

    Args:
        learning_rate: η, positive: about the largest change of a parameter in one step.
        beta1: Memory of the mean of g, in [0, 1).
        beta2: Memory of the mean of g², in [0, 1).
        epsilon: ε, positive.

    Raises:
        ParameterError: A setting is out of its range.

    Notes:
        The code keeps the sums m = Σ β₁ᵏg and v = Σ β₂ᵏg². The factors that make them means, 1 − β and the
        correction 1 − βᵗ, are the same for every parameter, and meet once per step, in plain numbers.

    Source:
        Kingma and Ba (2015), arXiv:1412.6980, algorithm 1.

    Examples:
        >>> w, g = np.array([1.0]), np.array([20.0])
        >>> Adam(0.1).start(w, g)()
        >>> w.round(6)  # the first step is η times the sign of g: 1 - 0.1
        array([0.9])
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _check(self, learning_rate=POSITIVE, beta1=FRACTION, beta2=FRACTION, epsilon=POSITIVE)

    def start(self, parameters: np.ndarray, gradient: np.ndarray) -> Callable[[], None]:
        """Return the function that makes one step: it reads `gradient` and changes `parameters` in place."""
        beta1, beta2, steps = float(self.beta1), float(self.beta2), 0
        arrays = parameters, gradient, np.zeros_like(parameters), np.zeros_like(parameters)
        starts = range(0, parameters.size, BLOCK)
        blocks = [[array[start : start + BLOCK] for array in arrays] for start in starts]
        buffer = np.empty(BLOCK, parameters.dtype)

        def step() -> None:
            nonlocal steps
            steps += 1
            root = ((1 - beta2) / (1 - beta2**steps)) ** 0.5  # √v̂ = root · √v
            rate = float(self.learning_rate) * (1 - beta1) / (1 - beta1**steps) / root
            epsilon = float(self.epsilon) / root
            for w, g, m, v in blocks:
                change = buffer[: w.size]
                _forget(m, steps)
                np.multiply(m, beta1, out=m)
                np.add(m, g, out=m)
                np.multiply(v, beta2, out=v)
                np.multiply(g, g, out=change)
                np.add(v, change, out=v)
                np.sqrt(v, out=change)
                np.add(change, epsilon, out=change)
                np.divide(m, change, out=change)
                np.multiply(change, rate, out=change)
                np.subtract(w, change, out=w)

        return step
