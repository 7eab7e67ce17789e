"""One step of training, that several sides compute, and the names of its quantities.

With n for the number of a layer they are, in the order in which they are computed: the weights Wn and bn,
`output`, `loss`, `doutput` (dL/doutput), `deltan` (dL/dz, from the last layer to the first), the gradients
dWn and dbn, and the weights after the step, Wn_new and bn_new.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amiss.core.errors import BackendError, ShapeError
from amiss.network import SGD, Adam, Network

__all__ = ["Case", "Step", "absent", "comparable", "fitting", "in_double", "named", "names_of", "needed"]

NEEDS = {
    "numpy": ([], ""),
    "torch": (["torch"], 'pip install "amiss[torch]"'),
    "keras": (["keras"], 'pip install keras "amiss[tensorflow]"'),
    "jax": (["jax", "optax"], 'pip install "amiss[jax]" optax'),
}
"""What each framework is imported as, and how it is installed; JAX has no losses and optimisers but optax."""


@dataclass(frozen=True)
class Case:
    """What all sides compute: one step of this network on these rows. The optimiser is `SGD` or `Adam`."""

    network: Network
    x: np.ndarray
    y: np.ndarray
    loss: Any
    optimizer: SGD | Adam

    @property
    def scaled(self) -> np.ndarray:
        """The data as the first layer gets it."""
        return np.asarray(self.x * self.network.scale, self.network.dtype)

    @property
    def weights(self) -> list[list[np.ndarray]]:
        """For each layer, copies of W and perhaps b."""
        return [[array.copy() for array in pair] for pair in self.network.split(self.network.parameters)]

    @property
    def target(self) -> np.ndarray:
        """Targets in the network's dtype, or as they are where they are indices of classes."""
        indices = self.y.ndim == 1 and self.y.dtype.kind in "iu"
        return self.y if indices else self.y.astype(self.network.dtype)


@dataclass(frozen=True)
class Step:
    """What one side computed: quantities by name, the dtype it computed in, and what is to be said of it."""

    quantities: dict[str, np.ndarray]
    dtype: str
    notes: tuple[str, ...] = ()


def absent(framework: str) -> str:
    """Return what is missing for a framework and how to install it, or an empty text."""
    modules, remedy = NEEDS[framework]
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:  # also Keras where its backend is missing
            return f"{framework} cannot be imported ({error}): {remedy}"
    return ""


def needed(framework: str) -> Any:
    """Import a framework, or raise a `BackendError` that says how to install it."""
    missing = absent(framework)
    if missing:
        raise BackendError(f"parity: {missing}.")
    return importlib.import_module(framework)


def names_of(network: Network) -> list[str]:
    """Return the names of all quantities of a step, in the order in which they are computed.

    Examples:
        >>> from amiss.network import Dense
        >>> " ".join(names_of(Network([Dense(4, 3), Dense(3, 2, bias=False)])))
        'W1 b1 W2 output loss doutput delta2 delta1 dW2 dW1 db1 W1_new b1_new W2_new'
    """
    layers = list(enumerate(network.layers, start=1))
    weights = [[f"W{n}", f"b{n}"][: 1 + layer.bias] for n, layer in layers]
    flat = [name for names in weights for name in names]
    deltas = [f"delta{n}" for n, _ in reversed(layers)]
    gradients = [f"d{name}" for names in reversed(weights) for name in names]
    return [*flat, "output", "loss", "doutput", *deltas, *gradients, *(f"{name}_new" for name in flat)]


def named(weights: Sequence, gradient: Sequence, moved: Sequence, deltas: Sequence, **rest: Any) -> dict:
    """Name the quantities of a step. Of each layer `weights`, `gradient` and `moved` hold W and perhaps b."""
    found = dict(rest)
    for n, delta in enumerate(deltas, start=1):
        found[f"delta{n}"] = delta
    for before, after, layers in (("", "", weights), ("d", "", gradient), ("", "_new", moved)):
        for n, arrays in enumerate(layers, start=1):
            found |= {
                f"{before}{letter}{n}{after}": array for letter, array in zip("Wb", arrays, strict=False)
            }
    return {name: np.array(value) for name, value in found.items() if value is not None}


def comparable(network: Network, quantities: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return quantities with the part of dL/doutput that counts, where the output is a softmax.

    Its rows sum to 1, so a constant that is added to a row of dL/doutput changes nothing. Who divides a row
    by its sum once more, as Keras does, has such a constant.
    """
    doutput = quantities.get("doutput")
    if network.layers[-1].activation != "softmax" or doutput is None or doutput.ndim != 2:
        return quantities
    return quantities | {"doutput": doutput - doutput.mean(axis=1, keepdims=True)}


def in_double(jax: Any, wanted: bool) -> Any:
    """Return the context in which JAX computes in double precision, if wanted."""
    where = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    return where.enable_x64(wanted)


def fitting(places: Sequence, weights: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """Return the weights, or raise a `ShapeError` if they do not fit into a model's."""
    wanted, given = [tuple(p.shape) for p in places], [w.shape for w in weights]
    if wanted != given:
        raise ShapeError(f"parity: a model must have weights of the network's shapes {given}; got {wanted}.")
    return weights
