"""An epoch of training: `amiss.network` beside PyTorch, Keras and JAX, from the same weights.

All train the same network with Adam and softmax cross-entropy on the same pixels, which stay bytes until
their batch is used, each in an order of its own. PyTorch takes its batches by index, without a DataLoader,
and reads each step's loss, as `history["loss"]` does. Keras trains by `fit`, once per backend, in processes
that wait while others run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import amiss
from amiss.network import Adam, Dense, Network
from bench.cases import EAGER, Case, Contestant, Ready, Targets
from bench.keras_fit import KerasProcess

PIXELS, HIDDEN, CLASSES = 784, 128, 10
SHADES = 8
"""Pixels are 0 to 8, so that nobody has to scale them."""


@dataclass(frozen=True)
class Images:
    """Images with their classes, and the size of a batch."""

    x: np.ndarray
    y: np.ndarray
    batch: int


def images(rows: int, batch: int) -> Images:
    """Draw images: a pattern per class, and noise; half the pixels black, a label in ten wrong."""
    rng = np.random.default_rng(0)
    y = rng.integers(CLASSES, size=rows)
    x = rng.random((CLASSES, PIXELS), dtype=np.float32)[y]
    x += rng.standard_normal(x.shape, dtype=np.float32)
    wrong = rng.random(rows) < 0.1
    shades = (np.clip(x - 0.5, 0, 1, out=x) * SHADES).astype(np.uint8)
    return Images(shades, np.where(wrong, rng.integers(CLASSES, size=rows), y), batch)


def start() -> Network:
    """Return the network with the weights that all begin with."""
    return Network([Dense(PIXELS, HIDDEN, "relu"), Dense(HIDDEN, CLASSES)], seed=0)


def losses(value: float) -> tuple[np.ndarray]:
    """Return the mean loss of an epoch, which tells whether all train the same."""
    return (np.asarray(value),)


def own(inputs: Images) -> Ready:
    network, loss, optimizer = start(), amiss.CrossEntropy(), Adam(1e-3)

    def epoch() -> float:
        options = {"batch_size": inputs.batch, "progress": None}
        return network.fit(inputs.x, inputs.y, loss=loss, optimizer=optimizer, **options)["loss"][0]

    return Ready(epoch, losses)


def of_torch(compiled: bool = False, **options: Any) -> Callable[[Images], Ready]:
    """Return how to train in PyTorch; `options` are those of its Adam."""

    def prepare(inputs: Images) -> Ready:
        import torch

        x, y = torch.from_numpy(inputs.x), torch.from_numpy(inputs.y)
        layers = torch.nn.Linear(PIXELS, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)
        model = torch.nn.Sequential(*layers)
        with torch.no_grad():
            for parameter, weight in zip(model.parameters(), start().weights, strict=True):
                parameter.copy_(torch.from_numpy(weight.T))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **options)

        def step(x: Any, y: Any) -> Any:
            return torch.nn.functional.cross_entropy(model(x.float()), y)

        if compiled:
            torch._dynamo.reset()
            step = torch.compile(step, fullgraph=True)

        def epoch() -> float:
            total = 0.0
            for rows in torch.randperm(len(x)).split(inputs.batch):
                optimizer.zero_grad()
                value = step(x[rows], y[rows])
                value.backward()
                optimizer.step()
                total += value.item() * len(rows)
            return total / len(x)

        return Ready(epoch, losses)

    return prepare


def of_jax(inputs: Images) -> Ready:
    """Prepare a whole epoch as one compiled program: a scan over the batches, and the rows that are left."""
    import jax
    import optax
    from jax import numpy as jnp

    x, y = jnp.asarray(inputs.x), jnp.asarray(inputs.y, "int32")
    optimizer = optax.adam(1e-3)

    def loss(weights: Any, x: Any, y: Any) -> Any:
        first, shift, second, bias = weights
        logits = jax.nn.relu(x.astype("float32") @ first + shift) @ second + bias
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def step(state: Any, rows: Any) -> Any:
        weights, memory = state
        value, gradient = jax.value_and_grad(loss)(weights, x[rows], y[rows])
        change, memory = optimizer.update(gradient, memory)
        return (optax.apply_updates(weights, change), memory), value * len(rows)

    @jax.jit
    def epoch(state: Any, key: Any) -> Any:
        order, whole = jax.random.permutation(key, len(x)), len(x) // inputs.batch * inputs.batch
        state, totals = jax.lax.scan(step, state, order[:whole].reshape(-1, inputs.batch))
        total = totals.sum()
        if whole < len(x):
            state, last = step(state, order[whole:])
            total += last
        return state, total / len(x)

    weights = [jnp.asarray(weight) for weight in start().weights]
    state, key = (weights, optimizer.init(weights)), jax.random.key(0)

    def call() -> float:
        nonlocal state, key
        key, now = jax.random.split(key)
        state, value = epoch(state, now)
        return float(value)

    return Ready(call, losses)


def of_keras(backend: str) -> Callable[[Images], Ready]:
    """Return how to train by `keras.fit` on a backend."""

    def prepare(inputs: Images) -> Ready:
        weights = [np.asarray(weight) for weight in start().weights]
        process = KerasProcess(backend, inputs.x, inputs.y, inputs.batch, weights)
        return Ready(process.epoch, losses, process.close)

    return prepare


def contestants() -> tuple[Contestant, ...]:
    """Return everyone who trains."""
    torch, keras = ("torch",), {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
    return (
        Contestant("amiss", own, own=True),
        Contestant(EAGER, of_torch(), needs=torch),
        Contestant("PyTorch eager, fused Adam", of_torch(fused=True), needs=torch),
        Contestant("torch.compile", of_torch(compiled=True), needs=torch, compiles=True),
        Contestant(
            "torch.compile, fused Adam", of_torch(compiled=True, fused=True), needs=torch, compiles=True
        ),
        Contestant("JAX, epoch in one program", of_jax, needs=("jax", "optax"), compiles=True),
        *(
            Contestant(f"keras.fit on {name}", of_keras(name), needs=("keras", module), compiles=True)
            for name, module in keras.items()
        ),
    )


def cases(rows: int = 60_000) -> Iterator[Case]:
    """Yield an epoch at two sizes of batches."""
    for batch in (32, 128):
        yield Case(
            f"network/784-128-10 Adam/{rows} rows/batch {batch}",
            lambda batch=batch: images(rows, batch),
            contestants(),
            tolerance=0.1,  # of the mean loss of the first epoch, in which each has an order of its own
            targets=Targets(1.5),
        )
