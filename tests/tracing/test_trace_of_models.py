"""Models of PyTorch and Keras are traced as the networks that they are; others are refused by name."""

import keras
import numpy as np
import pytest
import torch
from keras import layers

import amiss
from amiss.core.errors import ParameterError, ShapeError
from amiss.explain.models import as_network, library_of
from amiss.network import Dense, Network

nn = torch.nn
FRAMEWORK = {"a2", "loss", "dL/da2", "dL/dW1", "dL/db1", "dL/dW2", "dL/db2"}


def data(features=4):
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, features)), rng.integers(3, size=6)


def torch_model(last=None):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3), *([last] if last else []))


def keras_model(last="linear"):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(3, last)])


# --- the same model ------------------------------------------------------------------------------------
def test_torch_gives_the_same_output():
    model, x = torch_model(nn.Softmax(dim=1)).double(), data()[0]
    expected = model(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(as_network(model).predict(x), expected, rtol=0, atol=1e-15)


def test_keras_gives_the_same_output():
    model, x = keras_model("softmax"), data()[0]
    np.testing.assert_allclose(as_network(model).predict(x), model(x).numpy(), rtol=0, atol=1e-6)


def test_weights_are_copied_and_the_model_stays_as_it_is():
    model = torch_model()
    before = model[0].weight.detach().clone()
    as_network(model).parameters[:] = 0.0
    amiss.trace(model, "ce", *data())
    assert torch.equal(model[0].weight, before)
    assert model[0].weight.dtype == torch.float32
    assert model[0].weight.grad is None


def test_a_network_keeps_its_layers_and_its_weights():
    network = Network([Dense(4, 3)], seed=0)
    copy = as_network(network)
    copy.parameters[:] = 0.0
    assert copy.layers is network.layers
    assert network.parameters.any()
    assert (copy.dtype, network.dtype) == ("float64", "float32")


@pytest.mark.parametrize("model", [torch_model, keras_model])
def test_the_frameworks_own_derivatives_are_compared(model):
    trace = amiss.trace(model(), "ce", *data())
    assert trace.passed
    assert {step.name for step in trace.steps if step.autodiff is not None} == FRAMEWORK
    assert max(step.autodiff.difference for step in trace.steps if step.autodiff is not None) < 1e-14


@pytest.mark.parametrize(
    ("model", "tool"), [(torch_model, "torch.autograd"), (keras_model, "tf.GradientTape")]
)
def test_the_comparison_is_printed(model, tool):
    assert amiss.trace(model(), "ce", *data()).text().count(f"check, {tool}: off by") == len(FRAMEWORK)


def test_the_comparison_finds_another_model(monkeypatch):
    other = torch_model()
    with torch.no_grad():
        other[0].bias[0] += 1e-6
    monkeypatch.setattr("amiss.tracing.frameworks.copy.deepcopy", lambda model: other)
    trace = amiss.trace(torch_model(), "ce", *data())
    assert trace.wrong.name == "a2"
    assert not trace.wrong.autodiff.passed
    assert trace.wrong.check.passed


def test_it_is_said_where_nothing_is_compared(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    trace = amiss.trace(keras_model(), "ce", *data())
    assert trace.passed
    assert all(step.autodiff is None for step in trace.steps)
    assert "its own differentiation is not compared" in " ".join(trace.text().split())


def test_a_constant_is_in_the_compared_loss_too():
    assert amiss.trace(torch_model(), "ce", *data(), add=1000).passed


@pytest.mark.parametrize("library", ["torch", "keras"])
def test_nested_flat_and_without_bias(library):
    x, y = data()
    if library == "torch":
        inner = nn.Sequential(nn.Linear(4, 2, bias=False), nn.ReLU())
        model = nn.Sequential(nn.Flatten(), inner, nn.Identity(), nn.Linear(2, 3))
    else:
        inner = keras.Sequential([layers.Dense(2, use_bias=False), layers.Activation("relu")])
        model = keras.Sequential([keras.Input((2, 2)), layers.Flatten(), inner, layers.Dense(3)])
    trace = amiss.trace(model, "ce", x.reshape(6, 2, 2), y)
    assert trace.model == "a 4-2-3 network (relu, identity)"
    assert trace.passed
    assert trace["dL/dW1"].autodiff.difference < 1e-14


def test_library_of():
    models = [Network([Dense(1, 1)]), torch_model(), keras_model(), "text", None]
    assert [library_of(model) for model in models] == ["amiss", "torch", "keras", None, None]


# --- what is refused -----------------------------------------------------------------------------------
REFUSED = {
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Dropout()), "layer 1, Dropout"),
    "nested": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.GELU())), "layer 1.0, GELU"),
    "two activations": (lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Softmax(1)), "layer 2, Softmax"),
    "no dim": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Softmax()), "layer 1, Softmax"),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(3)), "layer 0, LazyLinear"),
    "late flatten": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Flatten()), "layer 1, Flatten"),
    "empty": (nn.Sequential, "must have a dense layer"),
    "no Sequential": (lambda: nn.Linear(4, 3), "must be a torch.nn.Sequential; got Linear"),
    "subclass": (lambda: nn.Sequential(type("Mine", (nn.Linear,), {})(4, 3)), "layer 0, Mine"),
    "keras dropout": (
        lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5)]),
        "layer 1, Dropout",
    ),
    "keras gelu": (lambda: keras_model("gelu"), "got gelu"),
    "keras unbuilt": (lambda: keras.Sequential([layers.Dense(3)]), "Put a keras.Input first"),
    "keras functional": (
        lambda: keras.Model(i := keras.Input((4,)), layers.Dense(3)(i)),
        "must be a keras.Sequential",
    ),
    "text": (lambda: "network", "got 'network'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_network_is_refused_by_name(case):
    model, told = REFUSED[case]
    with pytest.raises(ParameterError) as error:
        as_network(model())
    assert told in str(error.value)
    assert str(error.value).startswith("as_network: ")


def test_layers_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match="layers must fit together"):
        as_network(nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 3)))
