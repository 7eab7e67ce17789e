"""Models of other libraries as networks from scratch: the same layers, with the weights copied."""

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from amiss.core.errors import ParameterError, ShapeError
from amiss.network import Dense, Network

__all__ = ["as_network", "library_of"]

TORCH = {"ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softmax": "softmax"}
KERAS = {"linear": "identity", "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softmax": "softmax"}
REMEDY = "Leave it out, or trace the layers after it."

Part = tuple[str, Any]
"""What a layer is for a network: ("dense", [W, b] or [W]), ("activation", name), or ("nothing", None)."""


def library_of(model: Any) -> str | None:
    """Return whether a model is of "amiss", "torch" or "keras"; None if it is of none of them.

    Examples:
        >>> library_of(Network([Dense(2, 1)])), library_of("a text")
        ('amiss', None)
    """
    if isinstance(model, Network):
        return "amiss"
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")  # whoever has a model has imported it
    if keras is not None and isinstance(model, keras.layers.Layer):  # on PyTorch these are its modules too
        return "keras"
    return "torch" if torch is not None and isinstance(model, torch.nn.Module) else None


def as_network(model: Any) -> Network:
    """Return a model as a network of float64 that has the same layers and a copy of its weights.

    Args:
        model: a `Network`; a `torch.nn.Sequential` of Linear, ReLU, Sigmoid, Tanh, Softmax and Identity; or a
            Keras `Sequential` of Dense and Activation. A Flatten may stand first: give x as rows.

    Returns:
        The network; of a `Network` a copy, with its layers as they are.

    Raises:
        ParameterError: it is no such model, or has a layer that a network has not; the error names it.

    Examples:
        >>> network = Network([Dense(2, 1)], seed=0)
        >>> copy = as_network(network)
        >>> copy.dtype, np.array_equal(copy.weights[0], network.weights[0])
        ('float64', True)
    """
    library = library_of(model)
    if library == "amiss":
        return _copy(model)
    if library is None:
        raise ParameterError(
            f"as_network: model must be a Network, or a Sequential of PyTorch or Keras; got {model!r}."
        )
    parts = list(_torch_parts(model) if library == "torch" else _keras_parts(model))
    layers: list[Dense] = []
    weights: list[np.ndarray] = []
    open_layer = False  # whether the last dense layer may still get an activation
    for name, kind, what in parts:
        if kind == "dense":
            layers.append(Dense(*what[0].shape, bias=len(what) == 2))
            weights += what
            open_layer = True
        elif kind == "activation":
            if not open_layer:
                raise ParameterError(f"as_network: {name} must follow a dense layer directly. {REMEDY}")
            last = layers[-1]
            layers[-1] = Dense(last.inputs, last.outputs, what, last.bias)
            open_layer = False
        elif kind == "flatten" and layers:
            raise ParameterError(f"as_network: {name} must stand before every dense layer. {REMEDY}")
    if not layers:
        raise ParameterError("as_network: model must have a dense layer; got one without.")
    for below, above in itertools.pairwise(layers):
        if below.outputs != above.inputs:
            raise ShapeError(f"as_network: layers must fit together; got {below} below {above}.")
    network = Network(layers, seed=0, dtype="float64")
    network.weights = weights
    return network


def _copy(network: Network) -> Network:
    """Return a network like another in double precision; its layers, and its class, are the very same."""
    copy = object.__new__(type(network))
    copy.__dict__.update(network.__dict__)
    copy.dtype = "float64"
    copy.parameters = network.parameters.astype(np.float64)
    return copy


def _torch_parts(model: Any, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    import torch

    if not isinstance(model, torch.nn.Sequential):
        raise ParameterError(
            f"as_network: model must be a torch.nn.Sequential; got {type(model).__name__}. "
            "Trace its forward pass as a plain function, or put its layers into a Sequential."
        )
    for number, layer in model.named_children():
        name = f"layer {prefix}{number}, {layer}"
        if type(layer) is torch.nn.Sequential:
            yield from _torch_parts(layer, f"{prefix}{number}.")
        elif type(layer) is torch.nn.Linear:
            arrays = [layer.weight.T, layer.bias][: 1 + (layer.bias is not None)]
            yield name, "dense", [array.detach().cpu().double().numpy().copy() for array in arrays]
        elif type(layer) is torch.nn.Softmax and layer.dim not in (1, -1):
            raise ParameterError(f"as_network: {name} must have dim=1. Without it PyTorch guesses.")
        elif type(layer).__name__ in TORCH and type(layer) is getattr(torch.nn, type(layer).__name__):
            yield name, "activation", TORCH[type(layer).__name__]
        elif type(layer) is torch.nn.Flatten:
            yield name, "flatten", None
        elif type(layer) is not torch.nn.Identity:
            raise ParameterError(
                f"as_network: {name} must be one of Linear, {', '.join(TORCH)}, Identity, Flatten. {REMEDY}"
            )


def _keras_parts(model: Any) -> Iterator[tuple[str, str, Any]]:
    import keras

    if not isinstance(model, keras.Sequential):
        raise ParameterError(
            f"as_network: model must be a keras.Sequential; got {type(model).__name__}. "
            "Put its layers into a Sequential."
        )
    for number, layer in enumerate(model.layers):
        kind = type(layer).__name__
        name = f"layer {number}, {kind} {layer.name!r},"
        if type(layer) is keras.Sequential:
            yield from _keras_parts(layer)
        elif type(layer) is keras.layers.Dense:
            if not layer.built:
                raise ParameterError(f"as_network: {name} must have weights. Put a keras.Input first.")
            yield name, "dense", [np.asarray(array, np.float64) for array in layer.get_weights()]
            yield from _keras_activation(name, layer.activation)
        elif type(layer) is keras.layers.Activation:
            yield from _keras_activation(name, layer.activation)
        elif type(layer) is keras.layers.Flatten:
            yield name, "flatten", None
        elif type(layer) is not keras.layers.InputLayer:
            raise ParameterError(
                f"as_network: {name} must be one of Dense, Activation, InputLayer and Flatten. {REMEDY}"
            )


def _keras_activation(name: str, activation: Any) -> Iterator[tuple[str, str, Any]]:
    import keras

    known = {getattr(keras.activations, spelling): meaning for spelling, meaning in KERAS.items()}
    if activation not in known:
        got = getattr(activation, "__name__", repr(activation))
        raise ParameterError(
            f"as_network: {name} must have an activation of {', '.join(KERAS)}; got {got}. {REMEDY}"
        )
    if known[activation] != "identity":
        yield name, "activation", known[activation]
