"""What one call costs besides the work: a single number, and tensors through the loss object."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import amiss
from bench import classes, elementwise
from bench import contestants as by
from bench.cases import EAGER, Case, Contestant, Ready, Targets, Truth
from bench.inputs import Inputs, drawn, exact


def value_only(name: str, prepare: Callable[[Any], Callable[[], Any]], **about: Any) -> Contestant:
    """Return a contestant that computes the value alone."""
    return Contestant(
        name, lambda inputs: Ready(prepare(inputs), lambda value: (np.asarray(value),)), **about
    )


def torch_value(inputs: Any) -> Callable[[], Any]:
    import torch

    x, t = torch.tensor(inputs.prediction), torch.tensor(inputs.target)
    return lambda: torch.nn.functional.mse_loss(x, t)


def numpy_value(inputs: Any) -> Callable[[], Any]:
    x, t = inputs.prediction, inputs.target
    return lambda: np.square(x - t).mean()


def single() -> Iterator[Case]:
    """Yield the cases of one number: what remains of a call when there is nothing to do."""
    loss, declared = amiss.SquaredError(), elementwise.SQUARED
    truth = exact(loss, hessian=False)

    def value(inputs: Inputs) -> tuple[Truth, ...]:
        return truth(inputs)[:1]

    contestants = (
        value_only("amiss", lambda inputs: lambda: loss(inputs.prediction, inputs.target), own=True),
        value_only("NumPy", numpy_value),
        value_only(EAGER, torch_value, needs=by.TORCH),
    )
    inputs = drawn(declared.draw, 1, "float32")
    yield Case("call/SquaredError/value/float32/1", inputs, contestants, value, targets=Targets(seconds=2e-6))
    yield Case(
        "call/SquaredError/value+gradient/float32/1",
        inputs,
        (
            *by.own(loss)[:1],
            *by.numpy(*declared.plain[:1], buffers=0)[:1],
            by.torch_eager(declared.of_torch()),
        ),
        truth,
        targets=Targets(seconds=3e-6),
    )


def eager() -> Iterator[Case]:
    """Yield tensors through the loss object, forward and backward, beside PyTorch's own losses."""
    aims = Targets(1.0, 1.2)
    for declared in (elementwise.SQUARED, elementwise.HUBER, elementwise.BINARY):
        yield Case(
            f"tensors/{declared.name}/value+gradient/float32/1000",
            drawn(declared.draw, 1000, "float32"),
            (by.own_on_torch(declared.loss), by.torch_eager(declared.of_torch())),
            exact(declared.loss, hessian=False),
            targets=aims,
        )
    yield Case(
        "tensors/CrossEntropy/value+gradient/float32/100x10",
        classes.drawn(100, 10),
        (by.own_on_torch(amiss.CrossEntropy()), by.torch_eager(classes.torch_mean)),
        classes.truth,
        targets=aims,
    )


def cases() -> Iterator[Case]:
    """Yield the cases of single calls."""
    yield from single()
    yield from eager()
