"""Weights and quantities that somebody exported, in an .npz archive."""

import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from amiss.core.errors import AmissError, ParameterError, ShapeError
from amiss.network import Dense, Network

__all__ = ["network_of", "read_arrays", "weights_in"]


def read_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz archive by name; text in it, and nothing that would run, is read.

    Raises:
        AmissError: it is no such archive.
    """
    with Path(path).open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except Exception as error:  # whatever NumPy and zipfile say of a broken file
            fault = "it is no zip archive" if not zipfile.is_zipfile(path) else str(error)
            raise AmissError(
                f"parity: {path} must be an .npz archive of plain arrays, as np.savez makes it; got one with "
                f"this fault: {fault}."
            ) from None


def weights_in(arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the weights among arrays: W1, b1, W2, ..., or arr_0, arr_1, ... in their order; else none.

    Examples:
        >>> [w.shape for w in weights_in({"W1": np.ones((2, 3)), "b1": np.ones(3), "loss": np.ones(())})]
        [(2, 3), (3,)]
    """
    order = sorted((int(name[1:]), name) for name in arrays if re.fullmatch(r"[Wb]\d+", name))
    order = order or sorted((int(name[4:]), name) for name in arrays if re.fullmatch(r"arr_\d+", name))
    return [np.asarray(arrays[name], np.float64) for _, name in order]


def network_of(weights: Sequence[np.ndarray], activations: Sequence[str]) -> Network:
    """Return the network of weights [W1, b1, W2, ...]; a b may be left out, or have the shape (1, width).

    Args:
        weights: W of shape (inputs, outputs), as in NumPy and Keras.
        activations: one for each layer.

    Raises:
        ShapeError: the weights are not those of dense layers, one upon the other.
        ParameterError: there are not as many activations as layers.
    """
    layers: list[tuple[int, int]] = []
    flat, biases = [], []
    for weight in weights:
        width = layers[-1][1] if layers else 0
        if layers and not biases[-1] and weight.shape in ((width,), (1, width)):
            biases[-1] = True
            flat.append(weight.reshape(-1))
        elif weight.ndim == 2 and (not layers or width == weight.shape[0]):
            layers.append(weight.shape)
            biases.append(False)
            flat.append(weight)
        else:
            turned = weight.ndim == 2 and width == weight.shape[1]
            hint = (
                " PyTorch keeps them as (outputs, inputs): export weight.T."
                if turned or len(flat) == 1
                else ""
            )
            raise ShapeError(
                "parity: weights must be W1, b1, W2, ..., each W of shape (inputs, outputs); got the shapes "
                f"{[w.shape for w in weights]}.{hint}"
            )
    if not layers or len(activations) != len(layers):
        raise ParameterError(
            f"parity: there must be an activation for each of {len(layers)} layers; got {len(activations)}."
        )
    both = zip(layers, activations, biases, strict=True)
    network = Network([Dense(*shape, f, bias) for shape, f, bias in both], 0, "float64")
    network.weights = flat
    return network
