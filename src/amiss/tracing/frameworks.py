"""The gradient of a model as its own framework finds it, in double precision."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from amiss.explain.models import library_of

__all__ = ["by_framework"]

DOUBLE, SINGLE = 1e-12, 1e-5  # Keras on PyTorch multiplies doubles in single precision


def by_framework(
    model: Any, loss: Any, x: np.ndarray, y: np.ndarray
) -> tuple[str, float, dict[str, np.ndarray]]:
    """Return what differentiated, how exact it is, and output, loss and gradient by the names of a trace.

    The model stays as it is: a copy of it works in double precision.

    Returns:
        The name of the tool, "" if there is none; its relative rounding; and the arrays, those by weights of
        shape (inputs, outputs).
    """
    library = library_of(model)
    if library == "torch":
        return "torch.autograd", DOUBLE, _by_torch(model, loss, x, y)
    if library == "keras":
        import keras

        if keras.backend.backend() in _TAPES:
            name, rounding, tape = _TAPES[keras.backend.backend()]
            return name, rounding, tape(model, loss, x, y)
    return "", DOUBLE, {}


def _by_torch(model: Any, loss: Any, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    import torch

    twin = copy.deepcopy(model).double().cpu().eval()
    layers = [layer for layer in twin.modules() if type(layer) is torch.nn.Linear]
    with torch.enable_grad():
        output = twin(torch.from_numpy(x.copy()))
        value = loss(output, torch.from_numpy(y.copy()))
        weights = [(layer.weight, layer.bias) for layer in layers]
        named = {f"W{n}": weight for n, (weight, _) in enumerate(weights, start=1)}
        named |= {f"b{n}": bias for n, (_, bias) in enumerate(weights, start=1) if bias is not None}
        for weight in named.values():
            weight.requires_grad_()
        by_output, *found = torch.autograd.grad(value, [output, *named.values()])
    gradient = {f"dL/d{name}": array.numpy() for name, array in zip(named, found, strict=True)}
    gradient = {name: array.T if array.ndim == 2 else array for name, array in gradient.items()}
    return _named(output.detach().numpy(), float(value.detach()), by_output.numpy(), gradient, len(layers))


def _named(
    output: np.ndarray, value: float, by_output: np.ndarray, gradient: dict[str, np.ndarray], last: int
) -> dict[str, np.ndarray]:
    return {f"a{last}": output, "loss": np.array(value), f"dL/da{last}": by_output, **gradient}


def _layers(model: Any) -> Iterator[Any]:
    """Yield the layers of a Keras Sequential, and of those inside it."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Sequential):
            yield from _layers(layer)
        else:
            yield layer


def _double(model: Any, x: Any) -> tuple[Any, list[Any]]:
    """Return the output of a Keras Sequential in double precision, and copies of its layers with weights."""
    copies = []
    for layer in _layers(model):
        twin = type(layer).from_config({**layer.get_config(), "dtype": "float64"})
        twin.build(x.shape)
        twin.set_weights(layer.get_weights())
        copies.append(twin)
        x = twin(x)
    return x, [twin for twin in copies if twin.weights]


def _gradient(dense: list[Any], found: list[Any]) -> dict[str, np.ndarray]:
    names = [f"dL/d{name}{n}" for n, layer in enumerate(dense, 1) for name in "Wb"[: len(layer.weights)]]
    return {name: np.asarray(array) for name, array in zip(names, found, strict=True)}


def _by_tensorflow(model: Any, loss: Any, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        output, dense = _double(model, tf.constant(x))
        value = loss(output, tf.constant(y))
    arrays = [variable.value for layer in dense for variable in layer.weights]
    by_output, *found = tape.gradient(value, [output, *arrays])
    return _named(
        np.asarray(output), float(value), np.asarray(by_output), _gradient(dense, found), len(dense)
    )


def _by_keras_on_torch(model: Any, loss: Any, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    import torch

    with torch.device("cpu"):
        output, dense = _double(model, torch.from_numpy(x.copy()))
    value = loss(output, torch.from_numpy(y.copy()))
    arrays = [variable.value for layer in dense for variable in layer.weights]
    by_output, *found = torch.autograd.grad(value, [output, *arrays])
    gradient = _gradient(dense, [array.numpy() for array in found])
    return _named(output.detach().numpy(), float(value.detach()), by_output.numpy(), gradient, len(dense))


_TAPES = {
    "tensorflow": ("tf.GradientTape", DOUBLE, _by_tensorflow),
    "torch": ("torch.autograd, by Keras in single precision", SINGLE, _by_keras_on_torch),
}
