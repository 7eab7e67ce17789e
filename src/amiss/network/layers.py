"""The dense layer and its activations: what a layer computes, and how a gradient comes back through it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from amiss import kernels
from amiss.arrays import namespace_of
from amiss.core.errors import ParameterError, suggest
from amiss.kernels.products import product

__all__ = ["ACTIVATIONS", "Activation", "Dense", "check_count"]


class Activation(NamedTuple):
    """An activation a = f(z), as formulas. Both directions need `a` alone, so that z is not kept."""

    forward: Callable[[Any, np.ndarray], np.ndarray]  # (namespace, z) -> a
    backward: Callable[[Any, np.ndarray, np.ndarray], np.ndarray]  # (namespace, dL/da, a) -> dL/dz
    by_number: bool = True  # each output depends on its own input only


ACTIVATIONS = {
    "identity": Activation(lambda xp, z: z, lambda xp, delta, a: delta),
    "relu": Activation(lambda xp, z: xp.maximum(z, 0.0), lambda xp, delta, a: xp.where(a > 0.0, delta, 0.0)),
    "sigmoid": Activation(lambda xp, z: xp.sigmoid(z), lambda xp, delta, a: delta * a * (1.0 - a)),
    "tanh": Activation(lambda xp, z: xp.tanh(z), lambda xp, delta, a: delta * (1.0 - a * a)),
    # Its whole Jacobian, diag(a) - a a', times delta.
    "softmax": Activation(
        lambda xp, z: xp.softmax(z), lambda xp, delta, a: a * (delta - xp.sum(delta * a)), by_number=False
    ),
}


def check_count(thing: str, argument: str, value: object) -> None:
    """Raise a `ParameterError` unless `value` is an integer of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ParameterError(f"{thing}: {argument} must be an integer of 1 or more; got {value!r}.")


@dataclass(frozen=True)
class Dense:
    """A dense layer, a = f(x W + b), as a description: the numbers W and b live in the network.

    At first W is uniform around 0, with variance 2 / inputs before a relu (He) and 2 / (inputs + outputs)
    before any other activation (Glorot), and b is 0.

    Args:
        inputs: Width of x.
        outputs: Width of a.
        activation: f: identity, relu, sigmoid, tanh or softmax.
        bias: Whether there is a b.

    Shapes:
        x: (items, inputs). W: (inputs, outputs). b: (outputs,). a: (items, outputs).

    Raises:
        ParameterError: A width is not a positive integer, or the activation is not known.

    Source:
        He et al. (2015), arXiv:1502.01852; Glorot and Bengio (2010), AISTATS, PMLR 9, 249-256.

    Examples:
        >>> layer = Dense(2, 1, "relu")
        >>> layer.forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([-1.0]))  # 3 + 8 - 1
        array([[10.]])
    """

    inputs: int
    outputs: int
    activation: str = "identity"
    bias: bool = True

    def __post_init__(self) -> None:
        check_count("Dense", "inputs", self.inputs)
        check_count("Dense", "outputs", self.outputs)
        if not isinstance(self.activation, str) or self.activation not in ACTIVATIONS:
            hint = suggest(str(self.activation), ACTIVATIONS)
            known = ", ".join(ACTIVATIONS)
            raise ParameterError(f"Dense: activation must be one of {known}; got {self.activation!r}.{hint}")
        if not isinstance(self.bias, bool):
            raise ParameterError(f"Dense: bias must be True or False; got {self.bias!r}.")

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of W and, where there is one, of b."""
        return [(self.inputs, self.outputs), (self.outputs,)][: 1 + self.bias]

    @property
    def size(self) -> int:
        """The number of parameters."""
        return (self.inputs + self.bias) * self.outputs

    def split(self, buffer: np.ndarray) -> list[np.ndarray]:
        """Return W and, where there is one, b: views into a flat buffer of `size` numbers."""
        cut = self.inputs * self.outputs
        return [buffer[:cut].reshape(self.inputs, self.outputs), buffer[cut:]][: 1 + self.bias]

    def initial_weight(self, rng: np.random.Generator) -> np.ndarray:
        """Return the first W, in double precision whatever the network's dtype."""
        fan = self.inputs if self.activation == "relu" else self.inputs + self.outputs
        limit = (6 / fan) ** 0.5  # uniform numbers in (-limit, limit) have the variance limit² / 3
        return rng.uniform(-limit, limit, (self.inputs, self.outputs))

    def forward(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        """Return a = f(x W + b)."""
        z, f = product(x, weight), ACTIVATIONS[self.activation]
        if f.by_number and kernels.activate(self.activation, z, bias):
            return z
        if bias is not None:
            z += bias
        return f.forward(namespace_of(z), z)

    def backward(self, delta: np.ndarray, x: np.ndarray, a: np.ndarray, out: list[np.ndarray]) -> np.ndarray:
        """Turn `delta`, which is dL/da, into dL/dz and return it; write dL/dW and dL/db into `out`."""
        by_a, f, by_bias = delta, ACTIVATIONS[self.activation], out[1] if self.bias else None
        delta = np.empty_like(a)
        if not f.by_number or not kernels.pull(self.activation, by_a, a, delta, by_bias):
            delta = f.backward(namespace_of(a), by_a, a)
            if self.bias:
                np.sum(delta, axis=0, out=by_bias)
        product(x.T, delta, out[0])
        return delta
