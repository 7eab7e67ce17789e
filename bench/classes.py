"""Losses over classes: softmax cross-entropy of logits, and of hidden states times a matrix."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import amiss
from bench import contestants as by
from bench import plain
from bench.cases import EAGER, Case, Contestant, Ready, Targets, Truth

SHAPES = ((128, 10), (65_536, 10), (4096, 1000), (512, 50_257), (8, 262_144))
SOFT = SHAPES[:4]
"""Shapes of targets that are probabilities."""
LINEAR = ((4096, 32_768, 128), (4096, 32_768, 1024))
DISTINCT = 512
"""How many different rows of logits there are, for which the truth is computed in float64."""


# --- logits ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Inputs:
    """Logits with class indices or probabilities: distinct rows, and which of them stands where."""

    prediction: np.ndarray
    target: np.ndarray
    distinct: tuple[np.ndarray, np.ndarray]
    index: np.ndarray


def drawn(rows: int, classes: int, soft: bool = False) -> Callable[[], Inputs]:
    def make() -> Inputs:
        rng = np.random.default_rng(0)
        distinct = max(1, min(rows, DISTINCT, (1 << 23) // classes))
        x = rng.normal(scale=2.0, size=(distinct, classes)).astype(np.float32)
        t: np.ndarray = rng.integers(classes, size=distinct)
        if soft:
            t = rng.dirichlet(np.ones(classes), size=distinct).astype(np.float32)
        index = np.arange(rows) % distinct
        return Inputs(x[index], t[index], (x, t), index)

    return make


def softmax(x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's loss and gradient in float64."""
    from scipy.special import log_softmax

    rows, gradient = np.arange(len(t)), log_softmax(x.astype(np.float64), axis=1)
    if t.ndim == 2:
        t = t.astype(np.float64)
        return -(t * gradient).sum(1), np.exp(gradient) * t.sum(1, keepdims=True) - t
    items = -gradient[rows, t]
    np.exp(gradient, out=gradient)
    gradient[rows, t] = np.expm1(-items)
    return items, gradient


def truth(inputs: Inputs) -> tuple[Truth, ...]:
    items, gradient = softmax(*inputs.distinct)
    gradient /= len(inputs.index)
    zero = np.zeros(())
    low = np.broadcast_to(zero, gradient.shape)
    return Truth("value", items[inputs.index].mean(), zero), Truth("gradient", gradient, low, inputs.index)


def torch_mean(x: Any, t: Any) -> Any:
    from torch.nn import functional

    return functional.cross_entropy(x, t)


def jax_items(x: Any, t: Any) -> Any:
    import jax

    if t.ndim == 2:
        return -(t * jax.nn.log_softmax(x)).sum(1)
    return -jax.numpy.take_along_axis(jax.nn.log_softmax(x), t[:, None], axis=1)


def optax_items(x: Any, t: Any) -> Any:
    import optax

    if t.ndim == 2:
        return optax.losses.softmax_cross_entropy(x, t)
    return optax.losses.softmax_cross_entropy_with_integer_labels(x, t)


def keras_items(x: Any, t: Any) -> Any:
    import keras

    if t.ndim == 2:
        return keras.losses.categorical_crossentropy(t, x, from_logits=True)
    return keras.losses.sparse_categorical_crossentropy(t, x, from_logits=True)


def cross_entropy(rows: int, classes: int, soft: bool = False) -> Case:
    loss = amiss.CrossEntropy()
    return Case(
        f"CrossEntropy{' (soft)' if soft else ''}/value+gradient/float32/{rows}x{classes}",
        drawn(rows, classes, soft),
        (
            *by.own(loss),
            by.own_on_torch(loss),
            *by.numpy(plain.soft_cross_entropy if soft else plain.cross_entropy, buffers=0),
            by.torch_eager(torch_mean),
            by.torch_compiled(torch_mean),
            by.jax_jit("JAX jit", jax_items),
            by.jax_jit("optax jit", optax_items, ("jax", "optax")),
            by.jax_jit("Keras on JAX jit", keras_items, ("jax", "keras")),
            *(() if soft else by.sklearn("HalfMultinomialLoss", n_classes=classes)),
        ),
        truth,
        targets=Targets(1.2, 2.5),
        traffic=rows * (12 * classes if soft else 8 * classes + 8),
    )


# --- hidden states times a matrix --------------------------------------------------------------------------
@dataclass(frozen=True)
class Linear:
    """Hidden states, one row of weights per class, and class indices."""

    hidden: np.ndarray
    weight: np.ndarray
    target: np.ndarray


def drawn_linear(rows: int, classes: int, width: int) -> Callable[[], Linear]:
    def make() -> Linear:
        rng = np.random.default_rng(0)
        hidden, weight = (rng.standard_normal((n, width), dtype=np.float32) for n in (rows, classes))
        return Linear(hidden, weight * np.float32(2 / width**0.5), rng.integers(classes, size=rows))

    return make


def linear_truth(inputs: Linear) -> tuple[Truth, ...]:
    """Return the truth in float64, for some rows of hidden states at a time."""
    weight, value = inputs.weight.astype(np.float64), 0.0
    by_hidden, by_weight = np.empty(inputs.hidden.shape), np.zeros(weight.shape)
    for start in range(0, len(inputs.hidden), 512):
        rows = slice(start, start + 512)
        hidden = inputs.hidden[rows].astype(np.float64)
        items, gradient = softmax(hidden @ weight.T, inputs.target[rows])
        value += items.sum() / len(inputs.hidden)
        gradient /= len(inputs.hidden)
        by_hidden[rows] = gradient @ weight
        by_weight += gradient.T @ hidden
    zero = np.zeros(())
    names = ("value", "gradient by hidden", "gradient by weight")
    return tuple(
        Truth(name, np.asarray(each), zero)
        for name, each in zip(names, (value, by_hidden, by_weight), strict=True)
    )


def flat(results: Any) -> tuple[Any, ...]:
    """Return the results of nested tuples in a row, without those that are not there."""
    if isinstance(results, tuple | list):
        return tuple(x for each in results for x in flat(each))
    return () if results is None else (results,)


def own_linear() -> Contestant:
    def prepare(inputs: Linear) -> Ready:
        loss = amiss.LinearCrossEntropy()
        return Ready(lambda: loss.value_and_gradient(inputs.hidden, inputs.weight, inputs.target), flat)

    return Contestant("amiss", prepare, own=True)


def on_torch(
    name: str, function: Callable[..., Any], compiled: bool = False, own: bool = False
) -> Contestant:
    """Return a loss of hidden states, weights and targets, forward and backward."""

    def prepare(inputs: Linear) -> Ready:
        import torch

        h, w = (torch.tensor(each, requires_grad=True) for each in (inputs.hidden, inputs.weight))
        t, loss = torch.tensor(inputs.target), function
        if compiled:
            torch._dynamo.reset()
            loss = torch.compile(function, **by.WHOLE)

        def call() -> Any:
            h.grad = w.grad = None
            value = loss(h, w, t)
            value.backward()
            return value

        return Ready(call, lambda value: (value.detach().numpy(), h.grad.numpy(), w.grad.numpy()))

    return Contestant(name, prepare, own=own, needs=("torch",), compiles=compiled)


def torch_linear(h: Any, w: Any, t: Any) -> Any:
    from torch.nn import functional

    return functional.cross_entropy(functional.linear(h, w), t)


def torch_chunked(h: Any, w: Any, t: Any) -> Any:
    import torch

    options = torch.nn.LinearCrossEntropyOptions()
    return torch.nn.functional.linear_cross_entropy(h, w, t, options=options)


def own_torch_linear(h: Any, w: Any, t: Any) -> Any:
    return amiss.LinearCrossEntropy()(h, w, t)


def jax_linear() -> Contestant:
    def prepare(inputs: Linear) -> Ready:
        import jax

        h, w, t = (
            jax.numpy.asarray(each) for each in (inputs.hidden, inputs.weight, inputs.target.astype("int32"))
        )
        loss = jax.value_and_grad(lambda h, w, t: jax_items(h @ w.T, t).mean(), argnums=(0, 1))
        program = jax.jit(loss)
        read = lambda results: by.arrays(flat(results))  # noqa: E731
        return Ready(lambda: jax.block_until_ready(program(h, w, t)), read)

    return Contestant("JAX jit", prepare, needs=("jax",), compiles=True)


def linear_cross_entropy(rows: int, classes: int, width: int) -> Case:
    outputs = 4 * width * (rows + classes)
    loss = getattr(amiss, "LinearCrossEntropy", None)
    return Case(
        f"LinearCrossEntropy/value+gradient/float32/{rows}x{classes}x{width}",
        drawn_linear(rows, classes, width),
        (
            own_linear(),
            on_torch("amiss on PyTorch", own_torch_linear, own=True),
            on_torch(EAGER, torch_linear),
            on_torch("PyTorch chunked", torch_chunked),
            on_torch("torch.compile", torch_linear, compiled=True),
            jax_linear(),
        ),
        linear_truth,
        targets=Targets(1.1, 1.2, memory=1.15),
        traffic=2 * outputs + 8 * rows,
        memory=outputs + loss().memory if loss else 0,
        small=drawn_linear(8, 16, width),
        by_entry=False,  # sums over thousands of rows cancel in some entries
        missing="" if loss else "amiss.LinearCrossEntropy is not in this version",
    )


def cases() -> Iterator[Case]:
    """Yield the cases of losses over classes."""
    yield from (cross_entropy(*shape) for shape in SHAPES)
    yield from (cross_entropy(*shape, soft=True) for shape in SOFT)
    yield from (linear_cross_entropy(*shape) for shape in LINEAR)


def cuda_cases() -> Iterator[Case]:
    """Yield cross-entropy's formula under torch.compile beside PyTorch on a CUDA device."""
    for rows, classes in SHAPES:
        peers = (make(torch_mean, device="cuda") for make in (by.torch_eager, by.torch_compiled))
        yield Case(
            f"cuda/CrossEntropy/value+gradient/float32/{rows}x{classes}",
            drawn(rows, classes),
            (by.own_compiled(amiss.CrossEntropy(), "cuda"), *peers),
            truth,
            traffic=rows * (8 * classes + 8),
        )
