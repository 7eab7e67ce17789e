"""Calls of Keras that go wrong, by the backends that they go wrong on.

As a program under KERAS_BACKEND=jax, torch, numpy or tensorflow it prints what they give there as JSON.
"""

import json

import keras
import numpy as np
from keras import losses

BACKEND = keras.backend.backend()
INF = float("inf")


def row(*numbers):
    """Return one item of float32."""
    return np.array([numbers], np.float32)


def gradient(function, x):
    """Return the derivative of a number by the backend's own differentiation; NumPy has none."""
    if BACKEND == "jax":
        import jax

        return jax.grad(function)(x)
    if BACKEND == "torch":
        import torch

        x = torch.tensor(x, requires_grad=True)
        return torch.autograd.grad(function(x), x)[0]
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tf.convert_to_tensor(tape.gradient(value, x))


TF, JAX, TORCH, NUMPY = "tensorflow", "jax", "torch", "numpy"
EAGER = (TF, TORCH, NUMPY)  # where all go wrong, JAX is left out: it compiles each call
SPARSE, SOFT, BINARY, FOCAL = (
    loss(from_logits=True)
    for loss in (
        losses.SparseCategoricalCrossentropy,
        losses.CategoricalCrossentropy,
        losses.BinaryCrossentropy,
        losses.BinaryFocalCrossentropy,
    )
)
HALF = losses.SparseCategoricalCrossentropy(from_logits=True, dtype="bfloat16")
STEEP = losses.BinaryFocalCrossentropy(from_logits=True, gamma=0.5)
DOUBLE, DOUBLE_LOG_COSH = losses.MeanSquaredError(dtype="float64"), losses.LogCosh(dtype="float64")
AGAIN = losses.Huber.from_config(losses.Huber(delta=3.0).get_config())
COSINE, LARGE, NOTHING = losses.CosineSimilarity(), np.array([[1e16]]), np.zeros((0, 2), np.float32)

CALLS = {
    "mean of float64": ((JAX, TORCH, NUMPY), lambda: keras.ops.mean(np.array([0.1, 0.2, 0.4]))),
    "float64 by default": (EAGER, lambda: losses.MeanSquaredError()(LARGE, LARGE + 2)),
    "float64 as asked for": ((JAX, NUMPY), lambda: DOUBLE(LARGE, LARGE + 2)),
    "log-cosh of 0": ((TF, TORCH), lambda: DOUBLE_LOG_COSH(0 * LARGE, 0 * LARGE)),
    "log-cosh of 1e-3": (EAGER, lambda: losses.LogCosh()(row(0), row(1e-3))),
    "log-cosh of 1e-4": (EAGER, lambda: losses.LogCosh()(row(0), row(1e-4))),
    "log-cosh' of 1e-5": ((TF, TORCH), lambda: gradient(lambda x: losses.LogCosh()(row(0), x), row(1e-5))),
    "binary -1000": ((NUMPY,), lambda: BINARY(row(1), row(-1000))),
    "binary -15": ((TORCH,), lambda: BINARY(row(0), row(-15))),
    "soft target, class at -inf": (EAGER, lambda: SOFT(row(0, 0, 1), row(0.3, -INF, 1.1))),
    "class index, class at -inf": ((JAX, NUMPY), lambda: SPARSE(np.array([2]), row(0.3, -INF, 1.1))),
    "soft target, gap 15": (EAGER, lambda: SOFT(row(1, 0, 0), row(15, 0, 0))),
    "class index, gap 15": (EAGER, lambda: SPARSE(np.array([0]), row(15, 0, 0))),
    "soft target, gap 17": (EAGER, lambda: SOFT(row(1, 0, 0), row(17, 0, 0))),
    "class index, gap 17": (EAGER, lambda: SPARSE(np.array([0]), row(17, 0, 0))),
    "class 257": ((JAX, TORCH, NUMPY), lambda: HALF(np.array([257]), 50 * np.eye(300)[257:258])),
    "empty mean": (EAGER, lambda: losses.MeanSquaredError()(NOTHING, NOTHING)),
    "empty sum": (EAGER, lambda: losses.MeanSquaredError(reduction="sum")(NOTHING, NOTHING)),
    "mean of two 3e38": (EAGER, lambda: losses.MeanAbsoluteError()(row(0, 0), row(3e38, 3e38))),
    "binary mean of two 3e38": ((TF, TORCH), lambda: BINARY(row(0, 0), row(3e38, 3e38))),
    "Huber' of delta inf": ((TF, TORCH), lambda: gradient(lambda x: losses.Huber(INF)(row(0), x), row(2))),
    "Huber from its config": (EAGER, lambda: AGAIN(row(0), row(10))),
    # What is taken though it has no meaning.
    "class 3": ((JAX,), lambda: SPARSE(np.array([3]), row(1, 2, 3))),
    "class -1": ((JAX, NUMPY), lambda: SPARSE(np.array([-1]), row(1, 2, 3))),
    "class 0.5": (EAGER, lambda: SPARSE(np.array([0.5]), row(2, 1, 0))),
    "no classes": ((JAX,), lambda: SPARSE(np.array([0]), row())),
    "no target": ((NUMPY,), lambda: losses.MeanSquaredError()(None, row(1))),
    "binary label 2": (EAGER, lambda: BINARY(row(2), row(5))),
    "probability 1.5": (EAGER, lambda: losses.BinaryCrossentropy()(row(1), row(1.5))),
    "smoothing 2": (EAGER, lambda: losses.BinaryCrossentropy(label_smoothing=2.0)(row(1), row(0.9))),
    "Huber of delta -1": (EAGER, lambda: losses.Huber(delta=-1.0)(row(0), row(2))),
    "hinge of labels 0, 1, 2": (EAGER, lambda: losses.Hinge()(row(0, 1, 2), row(0.5, 0.5, 0.5))),
    # Of the losses that are new: BinaryFocal, CosineDistance, KLDivergence, Poisson.
    "focal -50": ((JAX, TORCH, NUMPY), lambda: FOCAL(row(1), row(-50))),
    "focal' -50": ((JAX, TORCH), lambda: gradient(lambda x: FOCAL(row(1), x), row(-50))),
    "focal' 40": ((TF, JAX, TORCH), lambda: gradient(lambda x: STEEP(row(1), x), row(40))),
    "focal gamma -1": (EAGER, lambda: losses.BinaryFocalCrossentropy(gamma=-1.0)(row(1), row(0.5))),
    "cosine' at 0": ((JAX, TORCH), lambda: gradient(lambda x: COSINE(row(1, 0), x), row(0, 0))),
    "cosine of 1e-8": ((TF, TORCH), lambda: COSINE(row(1e-8, 1e-8), row(1e-8, 1e-8))),
    "cosine of 1e20": (EAGER, lambda: COSINE(row(1e20, 1e20), row(1e20, 1e20))),
    "divergence": (EAGER, lambda: losses.KLDivergence()(row(1, 0, 0), row(0.9999999, 0.5, 0.5))),
    "count -1": (EAGER, lambda: losses.Poisson()(row(-1), row(1))),
    "rate -1": (EAGER, lambda: losses.Poisson()(row(1), row(-1))),
}


def outcomes():
    """Return what the calls give that concern this backend: a number or a list of numbers each."""
    found = {}
    for words, (backends, call) in CALLS.items():
        if BACKEND in backends:
            result = np.asarray(keras.ops.convert_to_numpy(call()), np.float64)
            found[words] = result.squeeze().tolist()
    return found


if __name__ == "__main__":
    print(json.dumps(outcomes()))
