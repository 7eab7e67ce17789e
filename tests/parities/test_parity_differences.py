"""Planted differences: each is found, with the quantity, the factor and the reason."""

import keras
import numpy as np
import pytest
import torch

import amiss
from amiss.network import SGD, Adam, Dense, Network

RNG = np.random.default_rng(0)
N, K = 7, 3
X, Y = RNG.normal(size=(N, K)), np.array([0, 2, 1, 1, 2, 0, 2])
ROWS = np.eye(K)[Y]
CE, MSE, P = amiss.CrossEntropy(), amiss.SquaredError(), amiss.CrossEntropy(input="probabilities")


def network(output="identity", hidden="tanh", gain=1.0):
    """A network whose first layer is square, and whose biases are not 0."""
    made = Network([Dense(K, K, hidden), Dense(K, K, output)], seed=1, dtype="float64")
    W1, b1, W2, b2 = made.weights
    made.weights = [W1, np.add(b1, [0.1, -0.2, 0.3]), gain * W2, np.add(b2, [0.2, 0.1, -0.3])]
    return made


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def code(
    *,
    only=(),
    loss=1.0,
    delta=1.0,
    derivative=lambda a: 1 - a * a,
    rate=0.1,
    rate_b=None,
    clip=0.0,
    double=False,
    transposed=False,
    biases=True,
    late=False,
    flip=False,
):
    """Somebody's own code, with faults to choose from."""

    def mine(weights, x, y):
        W1, b1, W2, b2 = weights
        W1, b1, b2 = W1.T if transposed else W1, b1 * biases, b2 * biases
        a1 = np.tanh(x @ W1 + b1)
        output = a1 @ W2 + b2
        p = softmax(softmax(output) if double else output)
        told = np.clip(p, clip, 1 - clip)[np.arange(len(x)), y]
        delta2 = delta * (softmax(output) - np.eye(K)[y]) / len(x)
        dW2, db2 = a1.T @ delta2, delta2.sum(0)
        W2_new = W2 - rate * dW2
        delta1 = delta2 @ (W2_new if late else W2).T * derivative(a1)
        dW1, db1 = x.T @ delta1, delta1.sum(0)
        W1_new, b1_new = W1 - rate * dW1, b1 - (rate if rate_b is None else rate_b) * db1
        if flip:
            dW2 = dW2.T
        found = {"output": output, "loss": -loss * np.log(told).mean(), "delta2": delta2, "delta1": delta1}
        found |= {"dW2": dW2, "db2": db2, "dW1": dW1, "db1": db1}
        found |= {"W1_new": W1_new, "b1_new": b1_new, "W2_new": W2_new, "b2_new": b2 - rate * db2}
        return {name: value for name, value in found.items() if not only or name in only}

    return mine


def first(side, loss=CE, made=None, y=Y, optimizer=None, **options):
    return amiss.parity(made or network(), X, y, loss, ("numpy", side), optimizer, **options).first


def test_code_without_a_fault_agrees():
    assert first(code()) is None


ONE_N = "N, N = 7 rows"

PLANTED = {  # what is planted: quantity, factor, the name of it, words of the reason
    "loss over classes too": ({"loss": 1 / K}, "loss", 1 / 3, "1/K, K = 3 classes", "over the K classes"),
    "loss with one half": ({"loss": 0.5}, "loss", 0.5, "1/2", "one half"),
    "loss twice": ({"loss": 2.0}, "loss", 2.0, "2", "one half is missing"),
    "all summed": ({"loss": N, "delta": N}, "loss", 7.0, ONE_N, "1/N is missing"),
    "loss of the opposite sign": ({"loss": -1.0}, "loss", -1.0, "-1", "opposite sign"),
    "gradient without 1/N": ({"delta": N}, "delta2", 7.0, ONE_N, "1/N is missing"),
    "gradient with 1/N²": ({"delta": 1 / N}, "delta2", 1 / 7, f"1/{ONE_N}", "divided by N once more"),
    "gradient without its 2": ({"delta": 0.5}, "delta2", 0.5, "1/2", "the 2 of a derivative left out"),
    "gradient of the opposite sign": ({"delta": -1.0}, "delta2", -1.0, "-1", "opposite sign"),
    "no derivative": ({"derivative": lambda a: 1.0}, "delta1", None, "", "layer 1, tanh, is left out"),
    "derivative at a": (
        {"derivative": lambda a: 1 - np.tanh(a) ** 2},
        "delta1",
        None,
        "",
        "layer 1, tanh, is taken at the activation a",
    ),
    "derivative twice": ({"derivative": lambda a: (1 - a * a) ** 2}, "delta1", None, "", "in twice"),
    "double softmax": ({"double": True}, "loss", None, "", "softmax is applied twice"),
    "transposed weights": ({"transposed": True}, "output", None, "", "W1 is transposed"),
    "no biases": ({"biases": False}, "output", None, "", "the biases are left out"),
    "gradient transposed": ({"flip": True}, "dW2", None, "", "it is transposed"),
    "updated too early": ({"late": True}, "delta1", None, "", "updated before they carried the gradient"),
    "bias not updated": ({"rate_b": 0.0}, "b1_new", 0.0, "", "not updated"),
    "learning rate": ({"rate": 0.2}, "W1_new", 2.0, "2", "the learning rate is 0.2, not 0.1"),
    "uphill": ({"rate": -0.1}, "W1_new", -1.0, "-1", "added, not subtracted"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_found_with_its_factor_and_its_reason(planted):
    fault, quantity, factor, name, reason = PLANTED[planted]
    found = first(code(**fault))
    assert found.quantity == quantity
    assert found.sides == ("numpy", "mine")
    assert found.factor == (None if factor is None else pytest.approx(factor, rel=1e-9, abs=1e-12))
    assert found.name == name
    assert reason in found.reason


def test_clipped_probabilities_are_found_at_a_saturated_output():
    made = network(gain=40.0)
    assert softmax(made.predict(X))[np.arange(N), Y].min() < 1e-8
    found = first(code(clip=1e-7), made=made)
    assert found.quantity == "loss"
    assert "clipped to [1e-07, 1 - 1e-07], as Keras does" in found.reason


def test_probabilities_that_are_clipped_nowhere_agree():
    assert first(code(clip=1e-7, only=("output", "loss"))) is None


def test_keras_clips_probabilities_that_are_no_softmax_of_its_own():
    """Behind a softmax of its own Keras looks for the logits; any other probability it clips."""
    made = network("softmax", gain=40.0)
    lost = keras.losses.SparseCategoricalCrossentropy(dtype="float64")

    def mine(weights, x, y):
        return {"loss": keras.ops.convert_to_numpy(lost(y, made.predict(x)))}

    found = first(mine, P, made)
    assert found.quantity == "loss"
    assert "clipped to [1e-07, 1 - 1e-07], as Keras does" in found.reason


def test_an_epsilon_inside_the_logarithm():
    made = network("softmax", gain=40.0)
    told = made.predict(X)[np.arange(N), Y]
    assert "1e-12 is added" in first({"loss": -np.log(told + 1e-12).mean()}, P, made).reason


# --- models of one's own -----------------------------------------------------------------------------------
def torch_side(made, loss=None, rule=torch.optim.SGD, last=(), rate=0.1, copied=True, **settings):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(K, K), torch.nn.Tanh(), torch.nn.Linear(K, K), *last).double()
    if copied:
        with torch.no_grad():
            for parameter, weight in zip(model.parameters(), made.weights, strict=True):
                parameter.copy_(torch.tensor(weight.T))
    return model, loss or torch.nn.CrossEntropyLoss(), rule(model.parameters(), lr=rate, **settings)


def keras_side(made, loss, optimizer=None, last=None):
    layers = [keras.Input((K,)), keras.layers.Dense(K, "tanh"), keras.layers.Dense(K, last)]
    model = keras.Sequential(layers)
    model.set_weights(made.weights)
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss)
    return model


def test_weights_that_were_not_copied():
    found = first(torch_side(network(), copied=False))
    assert (found.quantity, found.factor) == ("W1", None)
    assert "the weights were not copied: another initialisation" in found.reason


def test_transposed_weights_of_a_square_torch_layer():
    model, loss, optimizer = torch_side(network())
    with torch.no_grad():
        model[0].weight.copy_(model[0].weight.T.clone())
    found = first((model, loss, optimizer))
    assert (found.quantity, found.reason) == ("W1", "it is transposed")


def test_a_torch_loss_that_sums():
    found = first(torch_side(network(), torch.nn.CrossEntropyLoss(reduction="sum")))
    assert (found.quantity, found.factor, found.name) == ("loss", pytest.approx(7.0), "N, N = 7 rows")


def test_a_torch_softmax_before_a_loss_of_logits():
    found = first(torch_side(network(), last=[torch.nn.Softmax(-1)]))
    assert found.quantity == "output"
    assert (
        "layer 2 is softmax, not identity; and the loss takes these probabilities for logits" in found.reason
    )
    found = first(torch_side(network(), last=[torch.nn.Softmax(-1)]), P, network("softmax"))
    assert found.quantity == "loss"
    assert "probabilities for logits: softmax twice" in found.reason


def test_the_epsilon_of_adam():
    found = first(torch_side(network(), rule=torch.optim.Adam, rate=1e-3, eps=1e-7), optimizer=Adam(1e-3))
    assert found.quantity == "W1_new"
    assert found.reason == "the epsilon of Adam is 1e-07, not 1e-08 (Keras' default)"


def test_where_keras_adds_the_epsilon_of_adam():
    """Adam with one epsilon is not one rule: Keras adds it before the root is freed of its bias."""
    found = amiss.parity(network(), X, Y, CE, ("numpy", "torch", "keras"), Adam(1e-3)).first
    assert (found.quantity, found.sides) == ("W1_new", ("numpy", "keras"))
    assert "as in Keras: 1e-08 acts as 3.16e-07" in found.reason


def test_weight_decay_and_another_optimiser():
    assert first(torch_side(network(), weight_decay=0.01)).reason == "weight decay of 0.01"
    adam = first(torch_side(network(), rule=torch.optim.AdamW, rate=1e-3), optimizer=Adam(1e-3))
    assert adam.reason == "weight decay of 0.01"
    assert first(torch_side(network(), rule=torch.optim.Adam)).reason == "the optimiser is Adam(0.1), not SGD"


def test_the_learning_rate_of_a_keras_model():
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = first(keras_side(network(), sparse, keras.optimizers.SGD(0.2)))
    assert (found.quantity, found.factor) == ("W1_new", pytest.approx(2.0, rel=1e-4))
    assert "the learning rate is 0.2, not 0.1" in found.reason


def test_a_keras_model_of_another_optimiser():
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = first(keras_side(network(), sparse, "adam"))
    assert (found.quantity, found.reason) == ("W1_new", "the optimiser is Adam(0.001), not SGD")


def test_a_keras_model_that_takes_logits_for_probabilities():
    found = first(keras_side(network(), "sparse_categorical_crossentropy"))
    assert found.quantity == "loss"
    assert "logits are taken for probabilities: from_logits=True" in found.reason


def test_a_keras_model_with_softmax_and_from_logits():
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.warns(
        UserWarning, match="produced by a Softmax activation"
    ):  # Keras takes the logits behind it
        assert first(keras_side(network(), sparse, last="softmax"), P, network("softmax")) is None
    hidden = keras_side(network(), sparse, last=lambda z: 1.0 * keras.ops.softmax(z))
    found = first(hidden, P, network("softmax"))
    assert found.quantity == "loss"
    assert "probabilities for logits: softmax twice" in found.reason


# --- other losses and outputs ------------------------------------------------------------------------------
def test_the_squared_error_of_the_tutorials():
    """E = A2 - y; dW1 = E A2 (1 - A2): neither the 2 nor the mean over the outputs of a row is in it."""
    made = network("sigmoid", "sigmoid")

    def tutorial(weights, x, y):
        A1 = 1 / (1 + np.exp(-(x @ weights[0] + weights[1])))
        A2 = 1 / (1 + np.exp(-(A1 @ weights[2] + weights[3])))
        dW1 = (A2 - y) * A2 * (1 - A2)
        return {"output": A2, "loss": ((A2 - y) ** 2).mean(), "dW2": A1.T @ dW1 / len(x)}

    found = first(tutorial, MSE, made, ROWS)
    assert (found.quantity, found.factor, found.name) == ("dW2", pytest.approx(1.5), "K/2, K = 3 outputs")


def test_sums_over_the_outputs_and_another_loss():
    made = network("sigmoid")
    error = made.predict(X) - ROWS
    found = first({"loss": (error**2).sum(1).mean()}, MSE, made, ROWS)
    assert (found.name, found.factor) == ("K, K = 3 outputs", pytest.approx(3.0))
    assert "AbsoluteError" in first({"loss": np.abs(error).mean()}, MSE, made, ROWS).reason
    assert "RootMeanSquaredError" in first({"loss": np.sqrt((error**2).mean())}, MSE, made, ROWS).reason
    assert "not reduced" in first({"loss": (error**2).mean(1)}, MSE, made, ROWS).reason


def test_the_diagonal_of_softmax_alone():
    made = network("softmax")
    output = made.predict(X)
    delta = MSE.gradient(output, ROWS) * output * (1 - output)
    assert "the other outputs of a row are left out" in first({"delta2": delta}, MSE, made, ROWS).reason


def test_a_derivative_multiplied_into_a_gradient_that_has_it():
    made = network("softmax")
    output = made.predict(X)
    delta = (output - ROWS) / N * output * (1 - output)
    assert "multiplied in at layer 2, softmax, once more" in first({"delta2": delta}, P, made).reason


def test_two_faults_at_once():
    found = first(code(derivative=lambda a: 1.0, delta=N, only=("output", "loss", "dW1")))
    assert found.quantity == "dW1"
    assert "layer 1, tanh, is left out; and N, N = 7 rows: summed over the rows" in found.reason


def test_only_the_printed_number_differs():
    assert "the gradients agree: only the number that is printed" in first(code(loss=0.5)).reason
    assert "the gradients agree" not in first(code(loss=0.5, delta=0.5)).reason


# --- what is not known, and who is the odd one -------------------------------------------------------------
def test_no_reason_is_given_where_none_is_known():
    found = first({"dW1": RNG.normal(size=(K, K))})
    assert (found.factor, found.reason) == (None, "")
    assert "Reason: no known reason." in found.sentence
    assert first({"loss": 1.2345}).factor is None


def test_a_ratio_without_a_name_is_still_a_ratio():
    dW1 = code()(network().weights, X, Y)["dW1"]
    found = first({"dW1": 1.37 * dW1})
    assert (found.factor, found.name, found.reason) == (pytest.approx(1.37), "", "")


def test_the_first_side_may_be_the_odd_one():
    found = amiss.parity(
        network(), X, Y, CE, (code(delta=N, only=("output", "delta2")), "numpy", "torch")
    ).first
    assert (found.quantity, found.sides, found.factor) == ("delta2", ("mine", "numpy"), pytest.approx(1 / 7))
    assert "in mine: " in found.reason
    found = amiss.parity(network(), X, Y, CE, (code(transposed=True), "numpy")).first
    assert found.reason == "in mine: W1 is transposed"


def test_one_rounding_more_than_double_precision_has_is_a_difference():
    """The tolerance is that of the dtype: 1e-9 is no rounding of double precision."""
    dW1 = code()(network().weights, X, Y)["dW1"]
    assert first({"dW1": dW1 * (1 + 1e-14)}) is None
    assert first({"dW1": dW1 * (1 + 1e-9)}).quantity == "dW1"
    assert first({"dW1": dW1 * (1 + 1e-9)}, dtype="float32") is None


def test_not_a_number_is_a_difference():
    found = first({"loss": np.nan})
    assert (found.quantity, found.factor) == ("loss", None)


def test_a_name_of_a_factor_that_has_two_readings_has_both():
    made = Network([Dense(K, 2)], seed=0, dtype="float64")
    output = made.predict(X)
    loss = float(MSE(output, ROWS[:, :2]))
    found = amiss.parity(made, X, ROWS[:, :2], MSE, ("numpy", {"loss": 2 * loss}), SGD(0.1)).first
    assert found.name == "K, K = 2 outputs or 2"
