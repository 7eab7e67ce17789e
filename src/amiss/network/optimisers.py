"""Optimisers: how a gradient moves the parameters.

An optimiser is a value that holds settings only. `start` binds it to a flat buffer of parameters and one of
gradients, and returns the function that makes one step. What is remembered from step to step lives in that
function, so that nothing leaks from one run into the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from numbers import Real
from typing import Any

import numpy as np

from amiss import kernels
from amiss.arrays import namespace_of
from amiss.core.errors import ParameterError

__all__ = ["SGD", "UPDATES", "Adam"]

POSITIVE = "positive and finite", lambda value: 0 < value < inf
FRACTION = "in [0, 1)", lambda value: 0 <= value < 1


def _check(optimiser: object, **rules: tuple[str, Callable[[float], bool]]) -> None:
    for argument, (rule, holds) in rules.items():
        value = getattr(optimiser, argument)
        if not isinstance(value, Real) or not holds(value):
            raise ParameterError(f"{type(optimiser).__name__}: {argument} must be {rule}; got {value!r}.")


# --- updates, as formulas of which kernels are generated --------------------------------------------------
# Each takes the namespace, the arrays (parameters w, gradient g, what is remembered from step to step) and
# numbers; it returns the new w and the new memories.
def momentum(xp: Any, arrays: Sequence, rate: Any, mu: Any, least: Any) -> tuple:
    """Go on in the direction v of the steps before, bent by the gradient; with µ = 0 it is the gradient."""
    w, g, v = arrays
    v = _settled(xp, mu * v + g, least)
    return w - rate * v, v


def nesterov(xp: Any, arrays: Sequence, rate: Any, mu: Any, least: Any) -> tuple:
    """Momentum that looks one step ahead."""
    w, g, v = arrays
    v = _settled(xp, mu * v + g, least)
    return w - rate * (mu * v + g), v


def adam(xp: Any, arrays: Sequence, rate: Any, beta1: Any, beta2: Any, epsilon: Any, least: Any) -> tuple:
    """Divide the running sum of g by the root of that of g²."""
    w, g, m, v = arrays
    m, v = _settled(xp, beta1 * m + g, least), beta2 * v + g * g
    return w - rate * (m / (xp.sqrt(v) + epsilon)), m, v


def _settled(xp: Any, memory: Any, least: Any) -> Any:
    """Return a memory, 0 where it has decayed to nearly nothing.

    The memory of a weight that gets no gradient any more, as below a dead relu, decays until it is too small
    for a normal number. There rounding stops the decay, and a multiplication takes some thirty times as long.
    """
    return xp.where(xp.abs(memory) < least, 0.0, memory)


UPDATES = {momentum: 1, nesterov: 1, adam: 2}  # and how many arrays each remembers


def _stepper(update: Callable, parameters: np.ndarray, gradient: np.ndarray) -> Callable:
    """Return a function of an update's numbers that makes one step, in one pass of a kernel if it can."""
    arrays = [parameters, gradient, *(np.zeros_like(parameters) for _ in range(UPDATES[update]))]
    xp, least = namespace_of(parameters), 1e6 * float(np.finfo(parameters.dtype).tiny)

    def step(*numbers: float) -> None:
        if not kernels.update(update.__name__, arrays, (*numbers, least)):
            new = update(xp, arrays, *numbers, least)
            for array, changed in zip([parameters, *arrays[2:]], new, strict=True):
                array[...] = changed

    return step


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
        step = _stepper(nesterov if self.nesterov else momentum, parameters, gradient)
        return lambda: step(float(self.learning_rate), float(self.momentum))


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
        move = _stepper(adam, parameters, gradient)

        def step() -> None:
            nonlocal steps
            steps += 1
            root = ((1 - beta2) / (1 - beta2**steps)) ** 0.5  # √v̂ = root · √v
            rate = float(self.learning_rate) * (1 - beta1) / (1 - beta1**steps) / root
            move(rate, beta1, beta2, float(self.epsilon) / root)

        return step
