"""Every quantity of a trace is the one that torch.autograd finds, on random networks with every loss."""

import itertools
from functools import cache

import numpy as np
import pytest
import torch
from losses_under_test import draw, formula, is_row, name, variants

import amiss
from amiss.arrays import namespace_of
from amiss.network import Dense, Network
from amiss.network.layers import ACTIVATIONS

TORCH = {
    "identity": lambda z: z,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda z: torch.softmax(z, dim=1),
}
ROWS = 5


def last_activations(loss):
    """Return the activations whose outputs the loss gives a meaning to."""
    low, high = loss.prediction_domain.low, loss.prediction_domain.high
    if isinstance(loss, amiss.CosineDistance):  # a row of zeros has no direction
        return ["identity", "tanh"]
    if (low, high) == (-np.inf, np.inf):
        return list(ACTIVATIONS)
    return ["identity"] if low == -np.inf else ["sigmoid", "softmax"]


def networks():
    """Yield 51 losses with networks: each depth, and each activation at each place where it may stand."""
    hidden = itertools.cycle(ACTIVATIONS)
    for number, loss in zip(range(51), itertools.cycle(variants())):
        depth = number % 4 + 1
        last = last_activations(loss)
        activations = (*itertools.islice(hidden, depth - 1), last[number % len(last)])
        yield pytest.param(number, loss, activations, id=f"{number}-{name(loss)}-{'-'.join(activations)}")


def drawn(number, loss, activations):
    """Return a network, x and y, drawn at random where the loss has a meaning for them."""
    rng = np.random.default_rng(number)
    outputs = 3 if is_row(loss) else int(rng.integers(1 + (activations[-1] == "softmax"), 4))
    widths = [4, *rng.integers(2, 6, len(activations) - 1).tolist(), outputs]
    layers = [
        Dense(*pair, activation, bool(rng.integers(4)) or activation == activations[-1])
        for *pair, activation in zip(widths, widths[1:], activations, strict=False)
    ]
    network = Network(layers, seed=number, dtype="float64")
    weights = [weight + rng.normal(0, 0.3, weight.shape) for weight in network.weights]
    if loss.prediction_domain.high == 0.0:  # log-probabilities
        weights[-1] = weights[-1] - 9.0
    network.weights = weights
    x = rng.normal(size=(ROWS, 4))
    y = draw(loss, (ROWS,) if is_row(loss) else (ROWS, outputs), number)[1]
    if isinstance(loss, amiss.CrossEntropy | amiss.Dice) and number % 2:
        y = y.argmax(-1)  # class indices
    return network, x, y


@cache
def traced(number, loss, activations):
    """Return the trace of such a network, and what it was made of."""
    network, x, y = drawn(number, loss, activations)
    return amiss.trace(network, loss, x, y), network, x, y


def by_torch(network, loss, x, y):
    """Return the quantities of a trace by torch, which differentiates the formula of the loss's value."""
    a, kept, left = torch.from_numpy(x), {}, iter(network.weights)
    for n, layer in enumerate(network.layers, start=1):
        kept[f"W{n}"] = torch.tensor(next(left), requires_grad=True)
        z = a @ kept[f"W{n}"]
        if layer.bias:
            kept[f"b{n}"] = torch.tensor(next(left), requires_grad=True)
            z = z + kept[f"b{n}"]
        a = TORCH[layer.activation](z)
        z.retain_grad(), a.retain_grad()
        kept |= {f"z{n}": z, f"a{n}": a}
    target = np.eye(3)[y] if y.ndim == 1 else y
    items = formula(loss, "value", namespace_of(a), a, torch.from_numpy(target))
    value = items.mean()
    value.backward()
    gradients = {f"dL/d{key}": array.grad for key, array in kept.items()}
    values = {key: array.detach() for key, array in kept.items() if key[0] in "az"}
    return {key: array.numpy() for key, array in {**values, "loss": value.detach(), **gradients}.items()}


CASES = list(networks())


@pytest.mark.parametrize(("number", "loss", "activations"), CASES)
def test_trace_equals_autograd(number, loss, activations):
    trace, network, x, y = traced(number, loss, activations)
    expected = by_torch(network, loss, x, y)
    assert len(expected) == 1 + sum(4 + 2 * (1 + layer.bias) - 1 - layer.bias for layer in network.layers)
    for key, array in expected.items():
        np.testing.assert_allclose(trace[key].value, array, rtol=0, atol=1e-12, err_msg=key)


@pytest.mark.parametrize(("number", "loss", "activations"), CASES)
def test_every_check_passes_and_compares_numbers(number, loss, activations):
    trace = traced(number, loss, activations)[0]
    assert trace.wrong is None, trace.text()
    checks = [step.check for step in trace.steps if step.part == "backward"]
    assert all(check is not None and check.compared + check.kinks == check.of for check in checks)
    assert sum(check.compared for check in checks) > 0.5 * sum(check.of for check in checks)


def test_every_loss_activation_and_depth_is_there():
    assert {type(case.values[1]) for case in CASES} == {type(loss) for loss in variants()}
    assert {len(case.values[2]) for case in CASES} == {1, 2, 3, 4}
    assert {activation for case in CASES for activation in case.values[2][:-1]} == set(ACTIVATIONS)
    assert {case.values[2][-1] for case in CASES} == set(ACTIVATIONS)
