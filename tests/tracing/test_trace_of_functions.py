"""The reader's own code is traced: each array is said to be the multiple of a derivative that it is."""

import numpy as np
import pytest

import amiss
from amiss.core.errors import DTypeError, ParameterError

N, RATE = 6, 0.1


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def data():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(N, 4)), np.array([[0.0], [1], [1], [0], [1], [0]])
    return x, y, {"W1": rng.normal(size=(4, 3)), "W2": rng.normal(size=(3, 1))}


def tutorial(x_train, y_train, W1, W2):
    # feedforward propagation
    Z1 = np.dot(x_train, W1)
    A1 = sigmoid(Z1)
    Z2 = np.dot(A1, W2)
    A2 = sigmoid(Z2)
    # Calculating error
    mse = ((A2 - y_train) ** 2).sum() / (2 * y_train.size)
    # backpropagation
    E1 = A2 - y_train
    dW1 = E1 * A2 * (1 - A2)
    E2 = np.dot(dW1, W2.T)
    dW2 = E2 * A1 * (1 - A1)
    # weight updates
    W2_update = np.dot(A1.T, dW1) / N
    W1_update = np.dot(x_train.T, dW2) / N
    W2 = W2 - RATE * W2_update
    W1 = W1 - RATE * W1_update
    return locals()


def traced(step, loss="mse", **more):
    x, y, weights = data()
    return amiss.trace(step, loss, x, y, weights=weights, **more)


def formulas(trace):
    return {step.name: step.formula for step in trace.steps}


def test_each_array_of_the_tutorial_is_named_for_what_it_is():
    found = formulas(traced(tutorial))
    assert found["E1"] == "E1 = N/2 · ∂L/∂A2"
    assert found["dW1"] == "dW1 = N/2 · ∂L/∂Z2"  # its own name is wrong
    assert found["E2"] == "E2 = N/2 · ∂L/∂A1"
    assert found["dW2"] == "dW2 = N/2 · ∂L/∂Z1"
    assert found["W2_update"] == "W2_update = ½ · ∂L/∂W2"
    assert found["new W1"] == "W1 ← W1 − 0.05 · ∂L/∂W1"


def test_every_claim_of_the_tutorial_is_checked_and_right():
    trace = traced(tutorial)
    checked = {step.name for step in trace.steps if step.check is not None}
    assert {"E1", "dW1", "E2", "dW2", "W1_update", "W2_update", "new W1", "new W2"} < checked
    assert trace.passed


def test_the_loss_enters_where_the_tutorial_has_its_error():
    assert [step.name for step in traced(tutorial).steps if step.entrance] == ["E1"]


def test_the_printed_mse_is_seen_to_be_unused():
    assert "nothing below changes" in traced(tutorial)["mse"].note


def test_a_number_that_is_used_is_seen_to_be_used():
    def step(x, y, W1):
        A1 = x @ W1
        size = float(np.mean(np.abs(A1 - y)))
        dA1 = 2 * (A1 - y) / y.size
        W1_update = x.T @ dA1 / size
        return locals()

    x, y, weights = data()
    trace = amiss.trace(step, "mse", x, y, weights={"W1": weights["W1"][:, :1]})
    assert trace["size"].note == "used below"


def test_another_loss_than_that_of_the_code_is_found_out():
    trace = traced(tutorial, amiss.BinaryCrossEntropy(input="probabilities"))
    assert formulas(trace)["E1"] == "E1 = N · ∂L/∂Z2"
    assert trace.wrong.name == "W2_update"
    assert not trace.passed


# --- faults --------------------------------------------------------------------------------------------
def own(x, y, W1, W2, fault=""):
    Z1 = x @ W1
    A1 = np.tanh(Z1)
    Z2 = A1 @ W2
    A2 = sigmoid(Z2)
    dA2 = 2 * (A2 - y) / (y.size if fault != "sum" else 1)
    dZ2 = dA2 * A2 * (1 - A2) if fault != "output" else dA2
    dW2 = A1.T @ dZ2 if fault != "dW2" else A1.T @ np.abs(dZ2)
    dA1 = dZ2 @ W2.T if fault != "dA1" else dZ2 @ np.sign(W2.T)
    dZ1 = dA1 * (1 - A1**2) if fault != "hidden" else dA1 * (1 - A1)
    dW1 = x.T @ dZ1
    W1 -= RATE * dW1
    W2 += RATE * dW2 if fault == "uphill" else -RATE * dW2
    return locals()


FAULTS = {"output": "dZ2", "dW2": "dW2", "dA1": "dA1", "hidden": "dZ1", "uphill": "new W2"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_readers_code_is_named(fault):
    assert traced(lambda x, y, W1, W2: own(x, y, W1, W2, fault), prediction="A2").wrong is not None

    def step(x, y, W1, W2, kind=fault):
        Z1 = x @ W1
        A1 = np.tanh(Z1)
        Z2 = A1 @ W2
        A2 = sigmoid(Z2)
        dA2 = 2 * (A2 - y) / y.size
        dZ2 = dA2 * A2 * (1 - A2) if kind != "output" else dA2
        dW2 = A1.T @ dZ2 if kind != "dW2" else A1.T @ np.abs(dZ2)
        dA1 = dZ2 @ W2.T if kind != "dA1" else dZ2 @ np.sign(W2.T)
        dZ1 = dA1 * (1 - A1**2) if kind != "hidden" else dA1 * (1 - A1)
        dW1 = x.T @ dZ1
        W1 -= RATE * dW1
        W2 += RATE * dW2 if kind == "uphill" else -RATE * dW2
        return locals()

    assert traced(step).wrong.name == FAULTS[fault]


def test_without_a_fault_nothing_is_wrong():
    def step(x, y, W1, W2):
        return own(x, y, W1, W2)

    trace = traced(step)
    assert trace.passed
    assert formulas(trace)["dW1"] == "dW1 = ∂L/∂W1"


def test_relus_at_their_kink_are_no_fault():
    x, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0.0], [1], [1], [0]])
    rng = np.random.default_rng(1)
    weights = {"W1": rng.normal(size=(2, 4)), "b1": np.zeros((1, 4)), "W2": rng.normal(size=(4, 1))}

    def step(x, y, W1, b1, W2):
        Z1 = x @ W1 + b1
        A1 = np.maximum(0, Z1)
        A2 = sigmoid(A1 @ W2)
        dZ2 = A2 - y
        dW2 = A1.T @ dZ2
        dZ1 = dZ2 @ W2.T * (Z1 > 0)
        dW1 = x.T @ dZ1
        db1 = dZ1.sum(axis=0, keepdims=True)
        b1 = b1 - RATE * db1
        return locals()

    trace = amiss.trace(step, amiss.BinaryCrossEntropy(input="probabilities"), x, y, weights=weights)
    assert trace.passed
    assert formulas(trace)["dZ1"] == "dZ1 = N · ∂L/∂Z1"
    assert trace["dZ1"].check.kinks == 4  # of the first row
    assert trace["db1"].check.compared == 0
    assert "2 had nothing to compare." in trace.text()


def test_without_the_source_weights_are_still_checked():
    space = {"np": np, "sigmoid": sigmoid}
    exec(
        "def step(x, y, W):\n A = sigmoid(x @ W)\n dW = x.T @ ((A - y) * A * (1 - A))\n return locals()",
        space,
    )
    x, y, weights = data()
    trace = amiss.trace(space["step"], "mse", x, y, weights={"W": weights["W1"][:, :1]})
    assert formulas(trace)["dW"] == "dW = N/2 · ∂L/∂W"
    assert any("source of step is out of reach" in note for note in trace.notes)


def test_weights_may_be_defaults():
    x, y, weights = data()

    def step(x, y, W=weights["W1"][:, :1]):
        A = sigmoid(x @ W)
        return {"A": A, "W_grad": x.T @ ((A - y) * A * (1 - A))}

    assert formulas(amiss.trace(step, "mse", x, y))["W_grad"] == "W_grad = N/2 · ∂L/∂W"


def test_a_nudge_of_the_readers_weight():
    nudge = traced(tutorial, nudge="W2[1,0]+=1e-4").nudge
    assert nudge.predicted == pytest.approx(nudge.happened, rel=1e-3)


def test_a_constant_moves_nothing():
    trace = traced(tutorial, add=1000)
    assert float(trace["loss"].value) == pytest.approx(1000 + float(trace.plain["loss"].value))
    assert np.array_equal(trace["new W1"].value, trace.plain["new W1"].value)
    assert trace.passed


# --- what is refused -----------------------------------------------------------------------------------
REFUSED = {
    "no dict": (lambda x, y, W1, W2: None, {}, "End it with `return locals()`"),
    "no weight": (tutorial, {"weights": {"W1": np.ones((4, 3))}}, "W2 is missing"),
    "strange weight": (tutorial, {"weights": {"W": 1.0}}, "Did you mean 'W2'?"),
    "no arguments": (lambda x: locals(), {}, "must take x, y and its weights"),
    "random": (lambda x, y, W1, W2: {"A": np.random.random((N, 1))}, {}, "Give it a seed"),
    "no prediction": (lambda x, y, W1, W2: {"A": x @ W1, "B": y @ W2.T}, {}, "prediction="),
    "strange prediction": (tutorial, {"prediction": "A3"}, "got 'A3'"),
    "swap": (tutorial, {"swap": "ce"}, "Trace it once more"),
    "optimizer": (tutorial, {"optimizer": 1}, "has its own update"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_step_is_refused(case):
    step, given, told = REFUSED[case]
    x, y, weights = data()
    given = {"loss": "mse", "weights": weights, **given}
    with pytest.raises(ParameterError) as error:
        amiss.trace(step, given.pop("loss"), x, y, **given)
    assert told in str(error.value)


def test_text_is_no_data_and_no_weight():
    x, y, weights = data()
    with pytest.raises(DTypeError, match="x must hold real numbers"):
        amiss.trace(tutorial, "mse", [["a"]] * N, y, weights=weights)
    with pytest.raises(DTypeError, match="W1 must hold real numbers"):
        amiss.trace(tutorial, "mse", x, y, weights={**weights, "W1": "text"})


def test_targets_that_are_all_alike_ask_for_the_prediction():
    x, y, weights = data()
    with pytest.raises(ParameterError, match="prediction='A2'"):
        amiss.trace(tutorial, "mse", x, 0 * y, weights=weights)
    assert amiss.trace(tutorial, "mse", x, 0 * y, weights=weights, prediction="A2").passed
