"""One step of training in Keras, on whichever backend it is set to."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from amiss.core.errors import ParameterError
from amiss.network import Adam
from amiss.parities.case import Case, Step, fitting, in_double, named, needed
from amiss.parities.losses import peer_loss

__all__ = ["keras_step", "step_of_keras"]


def keras_step(case: Case) -> Step:
    """Make the step with a compiled Sequential of Dense layers, on the backend that Keras is set to."""
    keras, optimizer = needed("keras"), case.optimizer
    settings: dict[str, Any] = {"learning_rate": optimizer.learning_rate}
    if isinstance(optimizer, Adam):
        kind = keras.optimizers.Adam
        settings |= {"beta_1": optimizer.beta1, "beta_2": optimizer.beta2, "epsilon": optimizer.epsilon}
    else:
        kind = keras.optimizers.SGD
        settings |= {"momentum": optimizer.momentum, "nesterov": optimizer.nesterov}
    loss, note = peer_loss("keras", case.loss, case.y)
    with _precision(keras, case.network.dtype):  # else learning rate and loss are of single precision
        model = keras.Sequential([keras.Input((case.network.layers[0].inputs,))])
        for layer in case.network.layers:
            f = "linear" if layer.activation == "identity" else layer.activation
            model.add(keras.layers.Dense(layer.outputs, activation=f, use_bias=layer.bias))
        model.set_weights(case.network.weights)
        rule = kind(**settings)
        for name in {"beta_1", "beta_2", "momentum"} & settings.keys():
            if settings[name]:  # TensorFlow would take a Python number in single precision
                setattr(rule, name, keras.ops.convert_to_tensor(settings[name], case.network.dtype))
        model.compile(optimizer=rule, loss=lambda y, output: loss(output, y))
        return step_of_keras(model, case.scaled, case.target, note, loss)


def step_of_keras(
    model: Any,
    x: np.ndarray,
    y: np.ndarray,
    note: str = "",
    loss: Callable | None = None,
    weights: Sequence[np.ndarray] | None = None,
) -> Step:
    """Make one step of a compiled Keras model, in inference mode, and put it back as it was.

    Its layers are those that are Dense. `loss` of (output, target), if it is given, stands for the compiled
    one; `weights` are copied into the layers first.
    """
    keras = needed("keras")

    def as_numpy(tensor: Any) -> np.ndarray:
        return np.array(keras.ops.convert_to_numpy(keras.ops.stop_gradient(tensor)))  # a copy

    layers = [layer for layer in _flat(model) if isinstance(layer, keras.layers.Dense)]
    whole = layers and model.built and getattr(model, "compiled", False)
    if not whole:
        raise ParameterError(
            f"parity: a Keras model must have Dense layers, be built and be compiled; got {model.name!r}. "
            "Put a keras.Input first, and call compile(optimizer=..., loss=...)."
        )
    x = np.asarray(x, keras.backend.standardize_dtype(model.compute_dtype))
    optimizer, zs, before = model.optimizer, {}, [layer.activation for layer in layers]
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    saved = [as_numpy(variable) for variable in variables]

    def objective(output: Any) -> Any:
        return loss(output, y) if loss else model.compute_loss(x=x, y=y, y_pred=output)

    held = [[layer.kernel, layer.bias][: 1 + layer.use_bias] for layer in layers]

    def present() -> list[list[np.ndarray]]:
        return [[as_numpy(variable) for variable in pair] for pair in held]

    def watched(layer: Any, f: Callable, watch: Callable) -> Callable:
        def activation(z: Any) -> Any:
            zs[layer] = watch(layers.index(layer), z)
            return f(zs[layer])

        return activation

    def watch(by: Callable) -> None:
        for layer, f in zip(layers, before, strict=True):
            layer.activation = watched(layer, f, by)

    try:
        if weights is not None:
            flat = [variable for pair in held for variable in pair]
            for variable, given in zip(flat, fitting(flat, weights), strict=True):
                variable.assign(given)
        differentiate = {"tensorflow": _by_tape, "torch": _by_autograd, "jax": _by_transformation}
        value, output, doutput, deltas, gradient = differentiate[keras.backend.backend()](
            model, x, objective, watch, lambda: [zs.get(layer) for layer in layers]
        )
        old = present()
        optimizer.apply(gradient, model.trainable_variables)
        by = {
            id(variable): slope for variable, slope in zip(model.trainable_variables, gradient, strict=True)
        }
        slopes = [[by.get(id(variable)) for variable in pair] for pair in held]
        rest = {"output": as_numpy(output), "loss": as_numpy(value)}
        rest["doutput"] = None if doutput is None else as_numpy(doutput)
        if doutput is None:
            note = " ".join(
                [note, "Keras takes the loss from the logits behind its last activation: no dL/doutput."]
            ).strip()
        found = named(
            old,
            [[None if slope is None else as_numpy(slope) for slope in pair] for pair in slopes],
            present(),
            [None if delta is None else as_numpy(delta) for delta in deltas],
            **rest,
        )
    finally:
        for layer, f in zip(layers, before, strict=True):
            layer.activation = f
        for variable, value_before in zip(variables, saved, strict=True):
            variable.assign(value_before)
    # On PyTorch and JAX Keras rounds to single precision here and there, whatever it is told.
    double = keras.backend.backend() == "tensorflow" and keras.config.floatx() == "float64"
    dtype = "float32" if model.compute_dtype == "float64" and not double else model.compute_dtype
    return Step(found, dtype, (note,) if note else ())


def _by_tape(model: Any, x: Any, objective: Callable, watch: Callable, zs: Callable) -> tuple:
    """Differentiate with TensorFlow."""
    import tensorflow as tf

    watch(lambda n, z: z)
    with tf.GradientTape(persistent=True) as tape:
        output = model(x, training=False)
        value = objective(output)
    gradient = tape.gradient(value, [variable.value for variable in model.trainable_variables])
    deltas = [z if z is None else tape.gradient(value, z) for z in zs()]
    return value, output, tape.gradient(value, output), deltas, gradient


def _by_autograd(model: Any, x: Any, objective: Callable, watch: Callable, zs: Callable) -> tuple:
    """Differentiate with PyTorch."""

    def kept(_: int, z: Any) -> Any:
        z.retain_grad()
        return z

    watch(kept)
    model.zero_grad()
    output = model(x, training=False)
    output.retain_grad()
    value = objective(output)
    value.backward()
    gradient = [variable.value.grad.clone() for variable in model.trainable_variables]
    model.zero_grad()
    return value, output, output.grad, [z if z is None else z.grad for z in zs()], gradient


def _by_transformation(model: Any, x: Any, objective: Callable, watch: Callable, zs: Callable) -> tuple:
    """Differentiate with JAX: dL/dz is the derivative by a probe, of zeros, that is added to z."""
    jax, keras = needed("jax"), needed("keras")
    with in_double(jax, keras.config.floatx() == "float64"):
        watch(lambda n, z: z)
        model(x, training=False)
        probes = [None if z is None else 0 * z for z in zs()]

        def forward(values: Any, probes: Any) -> tuple:
            watch(lambda n, z: z + probes[n])
            mapping = list(zip(model.trainable_variables, values, strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                output = model(x, training=False)
                return objective(output), output

        values = [variable.value for variable in model.trainable_variables]
        both = jax.value_and_grad(forward, argnums=(0, 1), has_aux=True)
        (value, output), (gradient, deltas) = both(values, probes)
        return value, output, jax.grad(objective)(output), deltas, gradient


@contextmanager
def _precision(keras: Any, dtype: str) -> Any:
    """Let Keras compute in a dtype, numbers and layers: the first layer of a process fixes that of layers."""
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    jax = needed("jax") if keras.backend.backend() == "jax" else None
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        if jax is None:
            yield
        else:
            with in_double(jax, dtype == "float64"):
                yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(policy)


def _flat(model: Any) -> list[Any]:
    """Return the layers of a model, and of the models in it."""
    return [one for layer in model.layers for one in (_flat(layer) if hasattr(layer, "layers") else [layer])]
