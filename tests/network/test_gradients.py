"""The gradient of every activation and layer is the one that torch.autograd finds."""

import itertools

import numpy as np
import pytest
import torch

import amiss
from amiss.network import Dense, Network
from amiss.network.layers import ACTIVATIONS

TORCH = {
    "identity": lambda z: z,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda z: torch.softmax(z, dim=1),
}
PAIRS = list(itertools.product(ACTIVATIONS, ACTIVATIONS))


def torch_pass(network, x, criterion):
    """Return torch's output, the gradient by it, and the gradient by every weight."""
    weights = [torch.tensor(weight, requires_grad=True) for weight in network.weights]
    left, a = iter(weights), torch.tensor(x)
    for layer in network.layers:
        z = a @ next(left)
        a = TORCH[layer.activation](z + next(left) if layer.bias else z)
    a.retain_grad()
    criterion(a).backward()
    return a.detach().numpy(), a.grad.numpy(), [weight.grad.numpy() for weight in weights]


def assert_equal_gradients(network, x, loss, target, criterion):
    output, delta, expected = torch_pass(network, x, criterion)
    activations = network.forward(x)
    np.testing.assert_allclose(activations[-1], output, rtol=0, atol=1e-12)
    own = loss.gradient(activations[-1], target)
    np.testing.assert_allclose(own, delta, rtol=0, atol=1e-12)
    found = network.backward(activations, own)
    assert [array.shape for array in found] == [array.shape for array in network.weights]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_every_activation_has_a_reference():
    assert set(TORCH) == set(ACTIVATIONS)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("hidden", "last"), PAIRS)
def test_gradient_equals_autograd(hidden, last, bias):
    rng = np.random.default_rng(0)
    layers = [Dense(5, 7, hidden, bias), Dense(7, 4, hidden, not bias), Dense(4, 3, last, bias)]
    network = Network(layers, seed=1, dtype="float64")
    network.weights = [weight + rng.normal(0, 0.3, weight.shape) for weight in network.weights]
    x, target = rng.normal(size=(6, 5)), rng.random((6, 3))
    criterion = lambda output: torch.nn.functional.mse_loss(output, torch.tensor(target))  # noqa: E731
    assert_equal_gradients(network, x, amiss.SquaredError(), target, criterion)


def test_gradient_of_cross_entropy_equals_autograd():
    rng = np.random.default_rng(0)
    network = Network([Dense(5, 7, "tanh"), Dense(7, 3)], seed=1, dtype="float64")
    x, target = rng.normal(size=(6, 5)), rng.integers(3, size=6)
    criterion = lambda output: torch.nn.functional.cross_entropy(output, torch.tensor(target))  # noqa: E731
    assert_equal_gradients(network, x, amiss.CrossEntropy(), target, criterion)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_sums_give_the_limits_without_a_warning(name, dtype):
    z = np.array([[-1000.0, -100.0, 0.0, 100.0, 1000.0]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a = ACTIVATIONS[name].forward(z.copy())
        delta = ACTIVATIONS[name].backward(np.ones_like(a), a)
    limits = {
        "sigmoid": (0, 1),
        "tanh": (-1, 1),
        "softmax": (0, 1),
        "relu": (0, 1000),
        "identity": (-1000, 1000),
    }
    assert (a[0, 0], a[0, -1]) == limits[name]
    assert a.dtype == delta.dtype == dtype
    assert np.isfinite(delta).all()


def test_sigmoid_keeps_its_digits_in_the_lower_tail():
    a = ACTIVATIONS["sigmoid"].forward(np.array([[-50.0, -700.0]]))
    np.testing.assert_allclose(a, np.exp([[-50.0, -700.0]]), rtol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan(name):
    assert np.isnan(ACTIVATIONS[name].forward(np.array([[np.nan, 1.0]]))[0, 0])


def test_backward_leaves_the_delta_of_the_loss_alone():
    network = Network([Dense(2, 2, "relu"), Dense(2, 2, "softmax")], seed=0, dtype="float64")
    delta = np.array([[1.0, 2.0]])
    network.backward(network.forward([[1.0, 2.0]]), delta)
    np.testing.assert_array_equal(delta, [[1.0, 2.0]])
