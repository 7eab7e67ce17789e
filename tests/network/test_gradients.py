"""The gradient of every activation and layer is the one that torch.autograd finds."""

import itertools

import numpy as np
import pytest
import torch

import amiss
from amiss import kernels
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


# --- activations, by the kernels and by their formulas ------------------------------------------------------
@pytest.fixture(params=["kernel", "formula"])
def way(request, monkeypatch):
    if request.param == "formula":
        for name in ("activate", "pull"):
            monkeypatch.setattr(kernels, name, lambda *_: False)


def through(name, z):
    """Return what a layer makes of z, a table of one row, and the derivative of the sum by z."""
    z = np.asarray(z)
    width = z.shape[1]
    layer, eye = Dense(width, width, name), np.eye(width, dtype=z.dtype)
    a = layer.forward(z, eye, np.zeros(width, z.dtype))
    gradient = layer.split(np.empty(layer.size, z.dtype))
    return a, layer.backward(np.ones_like(a), z, a, gradient)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_sums_give_the_limits_without_a_warning(name, dtype):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a, delta = through(name, np.array([[-1000.0, -100.0, 0.0, 100.0, 1000.0]], dtype))
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


@pytest.mark.usefixtures("way")
def test_sigmoid_keeps_its_digits_in_the_lower_tail():
    a, _ = through("sigmoid", [[-50.0, -700.0]])
    np.testing.assert_allclose(a, np.exp([[-50.0, -700.0]]), rtol=1e-15)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan(name):
    a = Dense(1, 2, name).forward(np.array([[1.0]]), np.array([[np.nan, 1.0]]), np.zeros(2))
    assert np.isnan(a[0, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if ACTIVATIONS[name].by_number])
def test_a_kernel_gives_what_the_formula_gives(name, dtype, monkeypatch):
    rng = np.random.default_rng(0)
    for rows, width in ((1, 1), (3, 10), (5, 64), (40, 131)):
        z, bias = rng.normal(scale=3, size=(rows, width)).astype(dtype), rng.normal(size=width).astype(dtype)
        delta = rng.normal(size=(rows, width)).astype(dtype)
        xp, f, unit = namespace_of(z), ACTIVATIONS[name], np.finfo(dtype).eps
        for added in (bias, None):
            a = z.copy()
            assert kernels.activate(name, a, added)
            expected = f.forward(xp, z if added is None else z + added)
            np.testing.assert_allclose(a, expected, rtol=4 * unit, atol=0)
        out, total = np.empty_like(a), np.empty_like(bias)
        assert kernels.pull(name, delta, a, out, total)
        np.testing.assert_array_equal(out, f.backward(xp, delta, a))
        np.testing.assert_array_equal(total, out.sum(axis=0))


def test_arrays_that_a_kernel_does_not_take_are_left_alone():
    table = np.ones((4, 6))
    for z, bias in ((table[:, ::2], None), (table.astype(int), None), (table, np.ones(5)), (table[0], None)):
        assert not kernels.activate("relu", z, bias)
    assert not kernels.pull("relu", table, table, table[:2], None)
    assert not kernels.pull("relu", table, table.astype("f"), table.copy(), None)


def test_backward_leaves_the_delta_of_the_loss_alone():
    network = Network([Dense(2, 2, "relu"), Dense(2, 2, "softmax")], seed=0, dtype="float64")
    delta = np.array([[1.0, 2.0]])
    network.backward(network.forward([[1.0, 2.0]]), delta)
    np.testing.assert_array_equal(delta, [[1.0, 2.0]])
