"""The optimisers make PyTorch's steps."""

import numpy as np
import pytest
import torch

from amiss.core.errors import ParameterError
from amiss.network import SGD, Adam

BLOCK = 4096
"""So many parameters a thread finishes at a time."""

PAIRS = {
    "sgd": (SGD(0.1), lambda w: torch.optim.SGD(w, lr=0.1)),
    "momentum": (SGD(0.05, momentum=0.9), lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.9)),
    "nesterov": (
        SGD(0.05, momentum=0.8, nesterov=True),
        lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.8, nesterov=True),
    ),
    "adam": (Adam(), torch.optim.Adam),
    "adam with other settings": (
        Adam(0.3, beta1=0.5, beta2=0.9, epsilon=1e-3),
        lambda w: torch.optim.Adam(w, lr=0.3, betas=(0.5, 0.9), eps=1e-3),
    ),
    "adam without memory": (
        Adam(0.01, beta1=0.0, beta2=0.0),
        lambda w: torch.optim.Adam(w, lr=0.01, betas=(0.0, 0.0)),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("size", [1, 7, 65 * BLOCK + 3])
def test_steps_equal_torch(name, size):
    own, peer = PAIRS[name]
    rng = np.random.default_rng(0)
    w, g = rng.normal(size=size), np.empty(size)
    theirs = torch.tensor(w, requires_grad=True)
    step, optimiser = own.start(w, g), peer([theirs])
    for _ in range(300 if size < BLOCK else 20):
        g[:] = rng.normal(size=size) * 10.0 ** rng.integers(-6, 3)
        g[::5] = 0
        theirs.grad = torch.tensor(g)
        step()
        optimiser.step()
    np.testing.assert_allclose(w, theirs.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_a_step_leaves_the_gradient_alone():
    for own, _ in PAIRS.values():
        w, g = np.ones(3), np.array([1.0, -2.0, 3.0])
        step = own.start(w, g)
        step()
        step()
        np.testing.assert_array_equal(g, [1.0, -2.0, 3.0])


def test_two_runs_share_nothing():
    optimiser = Adam(0.1)
    results = []
    for _ in range(2):
        w = np.ones(2, "float32")
        step = optimiser.start(w, np.array([1.0, -1.0], "float32"))
        for _ in range(5):
            step()
        results.append(w)
    np.testing.assert_array_equal(*results)


def memories(step):
    """Return what a step remembers, wherever in its closures that is."""
    for cell in step.__closure__:
        found = cell.cell_contents
        if isinstance(found, list):
            return found[2:]
        if callable(found) and getattr(found, "__closure__", None):
            return memories(found)
    raise AssertionError("nothing is remembered")


@pytest.mark.parametrize("optimiser", [Adam(0.001), SGD(0.001, momentum=0.9)])
def test_memory_without_gradient_decays_to_zero(optimiser):
    """Not to the smallest numbers, where rounding would keep it and arithmetic is slow."""
    w, g = np.ones(4, "float32"), np.ones(4, "float32")
    step = optimiser.start(w, g)
    step()
    g[:] = 0
    for _ in range(2000):
        step()
    assert not np.any(memories(step)[0])


def test_an_optimiser_is_a_value():
    assert Adam(0.1) == Adam(0.1) != Adam(0.2)
    assert {SGD(0.1): 1}[SGD(0.1)] == 1
    assert eval(repr(SGD(0.1, momentum=0.5))) == SGD(0.1, momentum=0.5)


def test_settings_that_are_numpy_numbers_keep_single_precision():
    w = np.ones(3, "float32")
    Adam(np.float64(0.1)).start(w, np.ones(3, "float32"))()
    np.testing.assert_array_equal(w, np.full(3, 0.9, "float32"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0), "SGD: learning_rate must be positive and finite; got 0."),
        (lambda: SGD(float("nan")), "SGD: learning_rate must be positive and finite; got nan."),
        (lambda: SGD("0.1"), "SGD: learning_rate must be positive and finite; got '0.1'."),
        (lambda: SGD(0.1, momentum=1), "SGD: momentum must be in [0, 1); got 1."),
        (
            lambda: SGD(0.1, nesterov=True),
            "SGD: momentum must be positive for nesterov; got 0. Try momentum=0.9.",
        ),
        (lambda: Adam(float("inf")), "Adam: learning_rate must be positive and finite; got inf."),
        (lambda: Adam(beta1=-0.1), "Adam: beta1 must be in [0, 1); got -0.1."),
        (lambda: Adam(beta2=1.0), "Adam: beta2 must be in [0, 1); got 1.0."),
        (lambda: Adam(epsilon=0.0), "Adam: epsilon must be positive and finite; got 0.0."),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ParameterError) as caught:
        make()
    assert str(caught.value) == message
