"""Training: forward, the one line where the loss enters, backward, step; and a record of it."""

import math
import re
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from amiss.core.errors import DomainError, ParameterError, ShapeError, suggest
from amiss.kernels.products import shared_products
from amiss.network.layers import check_count
from amiss.network.optimisers import SGD, Adam
from amiss.network.progress import Progress

if TYPE_CHECKING:
    from amiss.network.network import Network

__all__ = ["History", "fit"]


class History(dict):
    """What happened in a run: a list for each quantity, with one number per finished epoch.

    The keys: loss, gradient_norm (of the whole gradient at the epoch's first step), seconds (of training) and
    the metrics; of validation data val_loss, and the metrics with val_ before them.

    Attributes:
        status: "running", then "finished", "diverged" or "interrupted".
        message: What ended the run early, or "".
    """

    status = "running"
    message = ""

    def __repr__(self) -> str:
        return f"History({dict(self)}, status={self.status!r}, message={self.message!r})"


class _Diverged(Exception):  # noqa: N818
    """A loss or a weight is not a finite number."""


def fit(
    network: "Network",
    x: np.ndarray,
    y: np.ndarray,
    *,
    loss: Any,
    optimizer: SGD | Adam | None = None,
    epochs: int = 1,
    batch_size: int = 32,
    shuffle: bool = True,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    metrics: Sequence[str | Callable] = (),
    callback: Callable[[int, History, "Network"], object] | None = None,
    progress: bool | str | None = "auto",
) -> History:
    """Train the network on x and y, and return what happened.

    Training goes on from the present weights; the optimiser begins anew. The loss and metrics of an epoch
    are those of each item's output just before the step that used it. A loss that is not finite ends the run,
    with a `RuntimeWarning`, the status "diverged" and the weights as they were.

    Args:
        network: The network, of which this is a method.
        x: Data, (items, inputs), of any real dtype: each batch is converted to the network's.
        y: Targets, one per item, as the loss takes them.
        loss: A loss such as `amiss.CrossEntropy()`. Its `value_and_gradient(output, target)` is all that is
            used, and `loss(output, target)` on validation data.
        optimizer: `SGD` or `Adam`, by default `Adam()`.
        epochs: How many times to go through the data.
        batch_size: Items per step; the last batch of an epoch may be shorter.
        shuffle: Whether each epoch takes the items in an order of its own.
        validation: x and y on which to measure after each epoch.
        metrics: "accuracy", or functions of (output, target). A single output says class 1 above 0, or above
            0.5 from a sigmoid, and takes targets 0 and 1 or -1 and 1.
        callback: Gets the number of finished epochs, the history and the network after each epoch; the run
            ends if it returns True.
        progress: "auto": a bar if standard error is a terminal. True: also, if it is not, a line per epoch.

    Raises:
        ParameterError, ShapeError, DTypeError: An argument is not as described. What the loss or the callback
            raises, and Ctrl-C, pass through; `network.history` keeps the finished epochs.
        DomainError: A number in x or y is not finite, or the loss has no meaning for it.

    Examples:
        >>> from amiss.network import SGD, Dense, Network
        >>> class HalfSquare:
        ...     def value_and_gradient(self, prediction, target):
        ...         return ((prediction - target) ** 2).mean() / 2, (prediction - target) / target.size
        >>> network = Network([Dense(1, 1, bias=False)])
        >>> network.weights = [[[1.0]]]
        >>> history = network.fit([[2.0]], [[5.0]], loss=HalfSquare(), optimizer=SGD(0.1))
        >>> history["loss"], network.weights[0]  # (2 - 5)² / 2; 1 - 0.1 * (2 - 5) * 2
        ([4.5], array([[1.6]], dtype=float32))
    """
    x, y = _pair(network, x, y)
    validation = None if validation is None else _pair(network, *validation, "validation ")
    check_count("Network", "epochs", epochs)
    check_count("Network", "batch_size", batch_size)
    if isinstance(loss, type) or not hasattr(loss, "value_and_gradient"):
        raise ParameterError(f"Network: loss must be a loss such as amiss.CrossEntropy(); got {loss!r}.")
    optimizer = Adam() if optimizer is None else optimizer
    if isinstance(optimizer, type) or not hasattr(optimizer, "start"):
        raise ParameterError(f"Network: optimizer must be SGD(...) or Adam(...); got {optimizer!r}.")
    measures = _measures(network, metrics)
    gradient = np.empty_like(network.parameters)
    step = optimizer.start(network.parameters, gradient)
    names = ["loss", "gradient_norm", "seconds", *measures]
    names += [f"val_{name}" for name in ("loss", *measures) if validation]
    history = network.history = History({name: [] for name in names})
    bar = Progress(progress, epochs, batches=-(-len(x) // batch_size))
    epoch = 0
    try:
        with np.errstate(over="ignore", invalid="ignore"), shared_products(), bar:
            while epoch < epochs and not history.message:
                epoch += 1
                batches = _batches(network, len(x), batch_size, shuffle)
                numbers, output = _epoch(network, x, y, loss, batches, step=step, gradient=gradient, bar=bar)
                numbers |= {name: measure(output, y) for name, measure in measures.items()}
                if validation:
                    output, target = network.predict(validation[0]), validation[1]
                    numbers["val_loss"] = float(loss(output, target))
                    numbers |= {f"val_{name}": measure(output, target) for name, measure in measures.items()}
                for name, number in numbers.items():
                    history[name].append(number)
                network.epochs += 1
                bar.epoch(epoch, history)
                if callback is not None and callback(epoch, history, network):
                    history.message = f"The callback ended the run after epoch {epoch}."
        history.status = "finished"
    except _Diverged as reason:
        history.status = "diverged"
        history.message = f"In epoch {epoch} {reason}, with {optimizer}. A smaller learning rate may help."
        warnings.warn(f"Network: fit ended early. {history.message}", RuntimeWarning, stacklevel=2)
    except BaseException as error:
        history.status, history.message = "interrupted", f"In epoch {epoch}: {error!r}"
        raise
    return history


def _epoch(network, x, y, loss, batches, *, step, gradient, bar) -> tuple[dict[str, float], np.ndarray]:
    """Go through the data once; return what was measured on the way, and the output for each item."""
    began, total, items, norm, outputs = time.perf_counter(), 0.0, 0, None, []
    parts = network.split(gradient)
    for number, rows in enumerate(batches, start=1):
        activations = network.forward(x, rows)
        output, target = activations[-1], y[rows]

        # HERE THE LOSS ENTERS, and nowhere else. `delta`, its derivative by the output, is all that the
        # network learns of it: everything after this line is the same for every loss.
        try:
            value, delta = loss.value_and_gradient(output, target)
        except (DomainError, ShapeError) as error:
            raise type(error)(_located(error, rows, output, y)) from None

        network.backward(activations, delta, out=parts)
        if norm is None:
            norm = float(np.linalg.norm(gradient.astype("float64")))
        if math.isfinite(value):
            step()
            total, items = total + float(value) * len(rows), items + len(rows)
        elif np.any(delta):  # else it is the mean over nothing, every item ignored: there is no step to make
            raise _Diverged(f"the loss of batch {number} of {len(batches)} was {value}")
        outputs.append(output)
        bar.batch()
    if not np.isfinite(network.parameters).all():
        raise _Diverged("a weight was not a finite number")
    numbers = {"loss": total / items if items else math.nan, "gradient_norm": norm}
    in_order = np.empty((len(x), network.layers[-1].outputs), network.dtype)
    in_order[np.concatenate(batches)] = np.concatenate(outputs)
    return numbers | {"seconds": time.perf_counter() - began}, in_order


def _batches(network: "Network", items: int, size: int, shuffle: bool) -> list[np.ndarray]:
    """Return the rows of each batch, in an order that depends on the network's seed and past epochs only."""
    rng = np.random.default_rng(np.random.SeedSequence(network.seed, spawn_key=(network.epochs,)))
    order = rng.permutation(items) if shuffle else np.arange(items)
    return [order[start : start + size] for start in range(0, items, size)]


def _located(error: Exception, rows: np.ndarray, output: np.ndarray, y: np.ndarray) -> str:
    """Return what a loss says of a batch in terms of the whole y: a row of the batch is one of `rows`."""
    if isinstance(error, ShapeError) and y.ndim == 1 and output.shape[1] == 1:
        return f"Network: y must have shape ({len(y)}, 1) for one output; got {y.shape}. Write y[:, None]."
    place = {str(n): row for n, row in enumerate(rows)}
    text = re.sub(r"(?<=\w\[)\d+", lambda found: str(place.get(found[0], found[0])), str(error), count=1)
    return text.replace("outside too)", "outside too in the same batch)")


def _pair(network: "Network", x: np.ndarray, y: np.ndarray, part: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Return x and y as arrays of finite numbers, with y in the network's dtype if it is not of integers."""
    x, y = network.check(x), np.asarray(y)
    if not len(x) or x.shape[:1] != y.shape[:1]:
        raise ShapeError(
            f"Network: x and y must have the same items, one or more; got {x.shape} and {y.shape}."
        )
    for name, values in (("x", x), ("y", y)):
        _check_finite(part + name, values)
    return x, y.astype(network.dtype, copy=False) if y.dtype.kind == "f" else y


def _check_finite(name: str, values: np.ndarray) -> None:
    """Raise a `DomainError` that names the first number that is NaN or infinite, if there is one."""
    if values.dtype.kind == "f" and not np.isfinite([values.min(initial=0), values.max(initial=0)]).all():
        place = np.argwhere(~np.isfinite(values))[0].tolist()
        got = f"{name}{place} = {values[tuple(place)]}"
        raise DomainError(f"Network: {name} must hold finite numbers; got {got}. Drop or fill such rows.")


def _measures(network: "Network", metrics: Sequence[str | Callable]) -> dict[str, Callable]:
    """Return the functions that measure, by name."""
    measures = {}
    for metric in [metrics] if isinstance(metrics, str) else metrics:
        if metric != "accuracy" and not callable(metric):
            hint = suggest(metric, ["accuracy"]) if isinstance(metric, str) else ""
            raise ParameterError(f"Network: metrics must be 'accuracy' or functions; got {metric!r}.{hint}")
        measure = network.accuracy if metric == "accuracy" else metric
        name = getattr(measure, "__name__", type(measure).__name__)
        if name in (*measures, "loss", "gradient_norm", "seconds"):
            raise ParameterError(
                f"Network: metrics must have names of their own; got {name!r} again. Rename it."
            )
        measures[name] = measure
    return measures
