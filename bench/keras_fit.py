"""Keras in a process of its own, since its backend is fixed when it is imported."""

import multiprocessing
import os
from typing import Any


class KerasProcess:
    """A process that trains an epoch when it is asked to, and waits meanwhile."""

    def __init__(self, backend: str, x: Any, y: Any, batch: int, weights: list[Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
        given = (other, backend, threads, x, y, batch, weights)
        self.process = context.Process(target=serve, args=given, daemon=True)
        self.process.start()
        other.close()
        self.pipe.recv()

    def epoch(self) -> float:
        """Train for one epoch and return its mean loss."""
        self.pipe.send("epoch")
        answer = self.pipe.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return float(answer)

    def close(self) -> None:
        """End the process."""
        self.pipe.close()
        self.process.join()


def serve(pipe: Any, backend: str, threads: int, x: Any, y: Any, batch: int, weights: list[Any]) -> None:
    """Answer each message with the loss of an epoch, or with what went wrong, until the pipe is closed."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ["JAX_ENABLE_X64"] = "0"
    try:
        model = build(backend, threads, weights)
        answer: Any = "ready"
    except Exception as error:  # told when the first epoch is asked for
        model, answer = None, f"{type(error).__name__}: {error}"
    failed = answer if model is None else ""
    pipe.send(answer)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(failed or model.fit(x, y, batch_size=batch, verbose=0).history["loss"][0])
        except Exception as error:  # the other side raises it
            pipe.send(f"{type(error).__name__}: {error}")


def build(backend: str, threads: int, weights: list[Any]) -> Any:
    """Return the compiled model with the weights it starts from."""
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if backend == "torch":
        import torch

        torch.set_num_threads(threads)
    import keras

    (pixels, hidden), (_, classes) = weights[0].shape, weights[2].shape
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((pixels,), dtype="uint8"),
            layers.Rescaling(1.0),  # bytes to floats
            layers.Dense(hidden, activation="relu"),
            layers.Dense(classes),
        ]
    )
    model.set_weights(weights)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model
