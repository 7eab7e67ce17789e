"""One step is the same in NumPy, PyTorch, Keras and JAX, and nobody's model is changed by looking at it."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
import torch

import amiss
from amiss.core.items import ClassItems
from amiss.network import SGD, Adam, Dense, Network
from amiss.parities.case import names_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 4))
INDEX = np.array([0, 2, 1, 1, 2, 0, 2])
ROWS = np.eye(3)[INDEX]
COUNTS = RNG.integers(1, 5, (7, 3)).astype(float)
NUMBERS = RNG.normal(size=(7, 3))


def network(hidden="tanh", output="identity", seed=1, **settings):
    made = Network([Dense(4, 5, hidden), Dense(5, 3, output)], seed=seed, dtype="float64", **settings)
    made.weights = [w if w.any() else RNG.normal(size=w.shape) / 3 for w in made.weights]
    return made


LOSSES = {
    "ce": (amiss.CrossEntropy(), "identity", INDEX),
    "ce, rows": (amiss.CrossEntropy(label_smoothing=0.1), "identity", ROWS),
    "bce": (amiss.BinaryCrossEntropy(), "identity", ROWS),
    "mse": (amiss.SquaredError(), "sigmoid", ROWS),
    "mae": (amiss.AbsoluteError(), "tanh", NUMBERS),
    "huber": (amiss.Huber(delta=0.3), "identity", NUMBERS),
    "log_cosh": (amiss.LogCosh(), "identity", NUMBERS),
    "sum": (0.5 * amiss.SquaredError() + 2 * amiss.Huber(delta=0.5), "identity", NUMBERS),
    "rmse": (amiss.RootMeanSquaredError(), "identity", NUMBERS),
    "hinge": (amiss.Hinge(), "identity", 2 * ROWS - 1),
    "squared hinge": (amiss.SquaredHinge(), "relu", 2 * ROWS - 1),
    "poisson": (amiss.Poisson(), "identity", COUNTS),
    "kl": (amiss.KLDivergence(), "identity", np.full((7, 3), [0.2, 0.3, 0.5])),
    "dice": (amiss.Dice(), "identity", INDEX),
    "focal": (amiss.BinaryFocal(gamma=1.5), "identity", ROWS),
    "cosine": (amiss.CosineDistance(), "tanh", NUMBERS),
}


@pytest.mark.parametrize("name", LOSSES)
def test_four_frameworks_agree_in_every_quantity(name):
    loss, output, y = LOSSES[name]
    found = amiss.parity(network("tanh", output), X, y, loss)
    assert found.agrees, found.text()
    assert found.sides == ("numpy", "torch", "keras", "jax")
    assert [row.quantity for row in found.rows] == names_of(network())
    assert all(relative is not None for row in found.rows for relative in row.differences.values())


@pytest.mark.parametrize("hidden", ["identity", "relu", "sigmoid", "tanh", "softmax"])
def test_they_agree_for_every_activation(hidden):
    assert amiss.parity(network(hidden, "softmax"), X, ROWS, amiss.SquaredError()).agrees


@pytest.mark.parametrize("optimizer", [SGD(0.3), SGD(0.3, 0.9), SGD(0.3, 0.9, nesterov=True)], ids=repr)
def test_they_agree_for_gradient_descent(optimizer):
    assert amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), optimizer=optimizer).agrees


def test_they_agree_in_single_precision():
    found = amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), dtype="float32")
    assert found.agrees
    assert 1e-9 < max(d for row in found.rows for d in row.differences.values()) < 1e-5


def test_numpy_torch_and_jax_agree_for_adam():
    sides = ("numpy", "torch", "jax")
    assert amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), sides, Adam(0.01)).agrees


def test_a_layer_without_bias_and_a_scale():
    made = Network([Dense(4, 3, bias=False)], seed=0, dtype="float64", scale=0.1)
    found = amiss.parity(made, X, INDEX, amiss.CrossEntropy())
    assert found.agrees
    assert "b1" not in [row.quantity for row in found.rows]


def test_a_gradient_of_rounding_alone_agrees():
    """The bias of one layer gets no gradient from targets and data around 0: what is left is rounding."""
    x, y = X - X.mean(0), NUMBERS - NUMBERS.mean(0)
    made = Network([Dense(4, 3)], seed=0, dtype="float64")
    for optimizer in (SGD(0.1), Adam()):
        found = amiss.parity(made, x, y, amiss.SquaredError(), ("numpy", "torch", "jax"), optimizer)
        assert found.agrees, found.text()


PROBABILITIES = [
    (amiss.CrossEntropy(input="probabilities"), "softmax", INDEX),
    (amiss.CrossEntropy(input="probabilities"), "softmax", ROWS),
    (amiss.BinaryCrossEntropy(input="probabilities"), "sigmoid", ROWS),
]


@pytest.mark.parametrize(("loss", "output", "y"), PROBABILITIES, ids=["index", "rows", "sigmoid"])
def test_probabilities_agree_though_keras_takes_the_logits_behind_them(loss, output, y):
    found = amiss.parity(network("tanh", output), X, y, loss)
    assert found.agrees, found.text()
    assert any("logits behind its last activation" in note for note in found.notes)
    assert next(row for row in found.rows if row.quantity == "doutput").differences["keras"] is None


def test_the_usual_keras_model_of_classes_agrees():
    """Softmax and a loss by its name: a row divided by its sum once more is no difference."""
    model = keras_model(network(), "sparse_categorical_crossentropy", last="softmax")
    loss = amiss.CrossEntropy(input="probabilities")
    found = amiss.parity(network("tanh", "softmax"), X, INDEX, loss, ("numpy", model), copy_weights=True)
    assert found.agrees, found.text()


def test_a_constant_that_keras_rounds_is_no_difference():
    """Its log-cosh subtracts ln 2 in single precision, which no gradient sees."""
    found = amiss.parity(network(), X, NUMBERS, amiss.LogCosh(), ("numpy", "keras"))
    assert found.agrees
    assert 1e-12 < next(row for row in found.rows if row.quantity == "loss").differences["keras"] < 1e-7


@pytest.mark.parametrize(
    ("loss", "y", "peers"),
    [
        (amiss.CrossEntropy(), INDEX, {"torch", "keras", "jax"}),
        (amiss.Huber(delta=0.3), NUMBERS, {"torch", "keras", "jax"}),
        (amiss.AbsoluteError(), NUMBERS, {"torch", "keras"}),
        (amiss.Hinge(), 2 * ROWS - 1, {"keras", "jax"}),
        (amiss.Hinge(margin=0.5), 2 * ROWS - 1, set()),
        (amiss.BinaryCrossEntropy(positive_weight=2.0), ROWS, {"torch"}),
        (amiss.CrossEntropy(class_weight=(1.0, 2.0, 3.0)), INDEX, {"torch"}),
        (amiss.KLDivergence(), np.full((7, 3), 1 / 3), {"torch", "jax"}),
    ],
    ids=["ce", "huber", "mae", "hinge", "hinge of a margin", "bce, weight", "ce, weight", "kl"],
)
def test_a_framework_without_the_loss_says_so(loss, y, peers):
    found = amiss.parity(network(), X, y, loss)
    said = {note.partition(":")[0] for note in found.notes if "the loss of amiss is used" in note}
    assert {"torch", "keras", "jax"} - said == peers
    assert found.agrees, found.text()


def test_the_framework_computes_its_own_loss(monkeypatch):
    """A fault in PyTorch's cross-entropy is found: it is not amiss that is compared with itself."""
    own = torch.nn.functional.cross_entropy
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", lambda *a, **k: 2 * own(*a, **k))
    found = amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), ("numpy", "torch"))
    assert (found.first.quantity, round(found.first.factor, 9)) == ("loss", 2.0)


# --- sides of one's own ------------------------------------------------------------------------------------
def torch_model(made, dtype=torch.float64, last=()):
    layers = [torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3), *last]
    model = torch.nn.Sequential(*layers).to(dtype)
    copy_into(model, made)
    return model


def copy_into(model, made):
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), made.weights, strict=True):
            parameter.copy_(torch.tensor(weight.T))


def keras_model(made, loss, optimizer=None, last=None):
    layers = [keras.Input((4,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3, last)]
    model = keras.Sequential(layers)
    model.set_weights(made.weights)
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss)
    return model


def weights_of(model):
    return [np.array(keras.ops.convert_to_numpy(keras.ops.stop_gradient(w))) for w in model.weights]


def test_a_torch_model_of_ones_own_agrees_and_is_left_as_it_was():
    made = network()
    model = torch_model(made)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = [p.detach().clone() for p in model.parameters()]
    found = amiss.parity(
        made, X, INDEX, amiss.CrossEntropy(), ("numpy", (model, torch.nn.CrossEntropyLoss(), optimizer))
    )
    assert found.agrees, found.text()
    assert found.sides == ("numpy", "my torch")
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    assert all(p.grad is None for p in model.parameters())


def test_a_torch_activation_in_place_does_not_disturb():
    made = network("relu")
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.ReLU(inplace=True), torch.nn.Linear(5, 3)
    ).double()
    copy_into(model, made)
    mine = (model, torch.nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    assert amiss.parity(made, X, INDEX, amiss.CrossEntropy(), ("numpy", mine)).agrees


def test_a_keras_model_of_ones_own_agrees_and_is_left_as_it_was():
    made = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = keras_model(made, loss, keras.optimizers.SGD(0.1, momentum=0.9))
    before, activations = weights_of(model), [layer.activation for layer in model.layers]
    for _ in range(2):  # the momentum of the first step is not left behind
        found = amiss.parity(made, X, INDEX, amiss.CrossEntropy(), ("numpy", model))
        assert found.agrees, found.text()
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(model), before, strict=True))
    assert [layer.activation for layer in model.layers] == activations


def test_single_precision_is_no_difference_and_is_said():
    made = network()
    model = torch_model(made, torch.float32)
    mine = (model, torch.nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    found = amiss.parity(made, X, INDEX, amiss.CrossEntropy(), ("numpy", mine))
    assert found.agrees
    assert found.notes == ("my torch computes in float32: differences up to 1e-04 are rounding.",)
    assert max(row.differences["my torch"] for row in found.rows) > 1e-9


def test_quantities_in_double_precision_that_were_single_are_known_as_such():
    made = network()
    output = made.predict(X).astype(np.float32).astype(np.float64)
    assert amiss.parity(made, X, INDEX, amiss.CrossEntropy(), ("numpy", {"output": output})).agrees
    assert not amiss.parity(
        made, X, INDEX, amiss.CrossEntropy(), ("numpy", {"output": output * (1 + 1e-9)})
    ).agrees


def test_a_model_is_its_own_network():
    model = torch_model(network(), torch.float32)
    mine = (model, torch.nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    assert amiss.parity(model, X, INDEX, amiss.CrossEntropy(), ["numpy", "keras", mine]).agrees


def test_weights_can_be_copied_into_models_of_ones_own():
    made, other = network(), network(seed=5)
    torch_side = torch_model(other)
    mine = (torch_side, torch.nn.CrossEntropyLoss(), torch.optim.SGD(torch_side.parameters(), lr=0.1))
    keras_side = keras_model(other, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    sides = ("numpy", mine, keras_side)
    assert not amiss.parity(made, X, INDEX, amiss.CrossEntropy(), sides).agrees
    assert amiss.parity(made, X, INDEX, amiss.CrossEntropy(), sides, copy_weights=True).agrees
    assert np.allclose(weights_of(keras_side)[0], other.weights[0], atol=1e-6)


def test_a_loss_in_jax_is_differentiated():
    def mine(weights, x, y):
        W1, b1, W2, b2 = weights
        logits = jnp.tanh(x @ W1 + b1) @ W2 + b2
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    before = jax.config.jax_enable_x64
    found = amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), ("numpy", mine))
    assert found.agrees, found.text()
    compared = [row.quantity for row in found.rows if row.differences["mine"] is not None]
    assert compared == ["loss", "dW2", "db2", "dW1", "db1"]
    assert jax.config.jax_enable_x64 == before


def test_biases_as_rows_are_biases():
    made = network()
    sides = ("numpy", {"b1": made.weights[1][None, :]})
    assert amiss.parity(made, X, INDEX, amiss.CrossEntropy(), sides).agrees


def test_settings_of_keras_are_left_as_they_were_and_do_not_matter():
    keras.layers.Dense(1)  # the first layer of a process fixes the precision of all that follow
    found = amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), ("numpy", "keras"))
    assert not any("float32" in note for note in found.notes)
    assert keras.config.floatx() == keras.config.dtype_policy().name == "float32"


OTHER_BACKEND = """
import numpy as np, amiss, keras
from amiss.network import Dense, Network
network = Network([Dense(4, 3, "tanh")], seed=1)
x, y = np.random.default_rng(0).normal(size=(2, 7, 4))
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh")])
model.compile(keras.optimizers.SGD(0.2), "mse")
model.set_weights(network.weights)
found = amiss.parity(network, x, y[:, :3], amiss.SquaredError(), ("numpy", "keras", model))
print(keras.backend.backend(), found.first.quantity, found.first.sides[1], round(found.first.factor, 3))
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras_on_another_backend(backend):
    """The framework's own side agrees there too; the model's learning rate, twice as large, is found."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", OTHER_BACKEND]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == [backend, "W1_new", "my", "keras", "2.0"], ran.stderr


# --- what is said ------------------------------------------------------------------------------------------
def test_the_text_names_every_quantity_and_side():
    text = amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), ("numpy", "torch")).text()
    assert "4 -> 5 tanh -> 3 identity; CrossEntropy(); SGD(learning_rate=0.1); 7 rows" in text
    assert "delta2 = dL/dz2" in text
    assert text.endswith("numpy and torch agree in all 17 quantities.")
    assert max(map(len, text.splitlines())) <= 90


def test_the_dictionary_is_plain():
    made = amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), ("numpy", {"loss": [1.0, 2.0]}))
    document = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert document["first"]["quantity"] == "loss"
    assert document["first"]["relative_difference"] is None  # of another shape
    assert document["agrees"] is False


SIDES = ("numpy", "torch")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"sides": ("numpy", "toch")}, amiss.ParameterError, "Did you mean 'torch'"),
        ({"sides": "numpy"}, amiss.ParameterError, "two or more"),
        ({"sides": ("numpy", 3)}, amiss.ParameterError, "got int"),
        ({"sides": ("numpy", {"los": 1.0})}, amiss.ParameterError, "Did you mean 'loss'"),
        ({"sides": ("numpy", {})}, amiss.ParameterError, "a quantity or more"),
        ({"sides": ("numpy", {"loss": "a"})}, amiss.ParameterError, "real numbers"),
        ({"loss": amiss.CrossEntropy}, amiss.ParameterError, "loss must be a loss"),
        ({"optimizer": "sgd"}, amiss.ParameterError, "optimizer must be"),
        ({"dtype": "float16"}, amiss.ParameterError, "dtype must be"),
        ({"y": INDEX[:3]}, amiss.ShapeError, "same items"),
        ({"y": INDEX + 1}, amiss.DomainError, "class index in 0..2"),
        ({"x": X[:, :2]}, amiss.ShapeError, "(items, 4)"),
        ({"x": X * np.nan}, amiss.DomainError, "finite"),
        ({"y": INDEX.astype(str)}, amiss.ParameterError, "Number the classes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(change, error, says):
    given = {"x": X, "y": INDEX, "loss": amiss.CrossEntropy(), "sides": SIDES, **change}
    with pytest.raises(error) as raised:
        amiss.parity(network(), **given)
    assert says in str(raised.value)


def test_targets_of_one_output_are_a_column():
    made = Network([Dense(4, 1)], seed=0)
    with pytest.raises(amiss.ShapeError, match=r"Write y\[:, None\]"):
        amiss.parity(made, X, NUMBERS[:, 0], amiss.SquaredError(), SIDES)


def test_a_keras_model_that_is_not_compiled_is_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(amiss.ParameterError, match="be compiled"):
        amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), ("numpy", model))


def test_a_torch_model_of_other_layers_is_refused():
    model = torch.nn.Sequential(torch.nn.Linear(4, 3)).double()
    mine = (model, torch.nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(amiss.ShapeError, match="2 dense layers"):
        amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), ("numpy", mine))


def test_a_framework_that_is_missing_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(amiss.BackendError, match="pip install"):
        amiss.parity(network(), X, INDEX, amiss.CrossEntropy(), ("numpy", "jax"))
    found = amiss.parity(network(), X, INDEX, amiss.CrossEntropy())
    assert found.sides == ("numpy", "torch", "keras")
    assert any("jax cannot be imported" in note for note in found.notes)


def test_every_loss_of_classes_that_takes_logits_agrees():
    kinds = [kind for family in amiss.catalogue().values() for kind in family if issubclass(kind, ClassItems)]
    assert kinds
    for kind in kinds:
        loss = replace(kind(), input="logits")
        found = amiss.parity(network(), X, ROWS, loss)
        assert found.agrees, found.text()
