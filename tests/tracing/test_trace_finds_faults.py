"""A fault that is planted anywhere in the passes is found, and the step where it sits is named."""

import numpy as np
import pytest

import amiss
from amiss.network import Dense, Network

ACTIVATIONS = ("relu", "sigmoid", "tanh", "softmax")


class Faulty(Dense):
    """A layer whose passes are wrong in one way."""

    fault = ""

    def forward(self, x, weight, bias=None):
        a = super().forward(x, weight, bias)
        return a * 1.001 if self.fault == "forward" else a

    def backward(self, delta, x, a, out):
        by_z = super().backward(delta, x, a, out)
        match self.fault:
            case "no activation":
                by_z = delta.copy()
                out[0][...], out[1][...] = x.T @ by_z, by_z.sum(0)
            case "sign":
                by_z = -by_z
                out[0][...], out[1][...] = x.T @ by_z, by_z.sum(0)
            case "weight":
                out[0][...] = out[0] / len(x)
            case "one weight":
                out[0][-1, -1] += 1e-5
            case "bias":
                out[1][...] = delta.sum(0)
            case "rows":
                by_z[1:] = 0.0
                out[0][...], out[1][...] = x.T @ by_z, by_z.sum(0)
            case "returned":
                by_z = by_z * 1.0001
        return by_z


def network(fault, place, activation="tanh"):
    layers = [Faulty(4, 5, activation), Faulty(5, 4, activation), Faulty(4, 3, activation)]
    object.__setattr__(layers[place - 1], "fault", fault)
    made = Network(layers, seed=3, dtype="float64")
    made.weights = [
        w + 0.1 * np.random.default_rng(n).normal(size=w.shape) for n, w in enumerate(made.weights)
    ]
    return made


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 4)), rng.random((6, 3))


def traced(fault, place, activation="tanh", loss="mse"):
    return amiss.trace(network(fault, place, activation), loss, *data())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_without_a_fault_nothing_is_wrong(activation):
    assert traced("", 1, activation).wrong is None


@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("forward", "a{}"),
        ("no activation", "da{0}/dz{0}"),
        ("sign", "da{0}/dz{0}"),
        ("rows", "da{0}/dz{0}"),
        ("weight", "dL/dW{}"),
        ("one weight", "dL/dW{}"),
        ("bias", "dL/db{}"),
        ("returned", "da{0}/dz{0}"),
    ],
)
def test_the_first_wrong_step_is_named(fault, named, place):
    trace = traced(fault, place)
    assert trace.wrong is not None
    assert trace.wrong.name == named.format(place)
    assert not trace.passed


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_forgotten_derivative_of_an_activation_is_named(activation):
    trace = traced("no activation", 2, activation)
    assert trace.wrong.name == "da2/dz2"


def test_what_follows_from_a_fault_is_wrong_and_what_does_not_is_right():
    found = {step.name for step in traced("no activation", 2).steps if not step.passed}
    expected = {"da2/dz2", "dL/dz2", "dL/dW2", "dL/db2", "dL/da1", "dL/dz1", "dL/dW1", "dL/db1"}
    assert found == expected


def test_a_fault_of_the_weight_alone_leaves_the_rest_right():
    assert {step.name for step in traced("weight", 2).steps if not step.passed} == {"dL/dW2"}


def test_a_fault_in_the_network_between_two_layers_is_named():
    class Crossed(Network):
        def backward(self, activations, delta, out=None):
            found = super().backward(activations, delta, out)
            found[0][...] *= 2.0
            return found

    made = network("", 1)
    made.__class__ = Crossed
    assert amiss.trace(made, "mse", *data()).wrong.name == "dL/dW1"


def test_a_fault_of_the_loss_is_named_where_the_loss_enters(monkeypatch):
    monkeypatch.setattr(
        amiss.SquaredError, "value_and_gradient", lambda loss, p, t: (loss(p, t), 2.0 * loss.gradient(p, t))
    )
    trace = traced("", 1)
    assert trace.wrong.name == "dL/da3"
    assert trace.wrong.entrance


def test_a_fault_in_one_number_of_a_large_weight_is_found():
    class Broken(Dense):
        def backward(self, delta, x, a, out):
            by_z = super().backward(delta, x, a, out)
            out[0][77, 13] += 0.01
            return by_z

    rng = np.random.default_rng(0)
    made = Network([Broken(100, 20, "tanh"), Dense(20, 2)], seed=0, dtype="float64")
    trace = amiss.trace(made, "mse", rng.normal(size=(3, 100)), rng.random((3, 2)))
    assert trace.wrong.name == "dL/dW1"
    assert trace.wrong.check.compared < trace.wrong.check.of == 2000


def test_the_text_says_where(capsys):
    text = traced("bias", 2).text()
    assert "WRONG: the first wrong step is dL/db2" in text
    assert "passed" not in text


# --- kinks ---------------------------------------------------------------------------------------------
def test_a_relu_at_zero_is_a_kink_and_no_fault():
    made = Network([Dense(2, 3, "relu"), Dense(3, 1)], seed=0, dtype="float64")
    trace = amiss.trace(made, "mse", [[0.0, 0.0], [1.0, 2.0]], [[1.0], [2.0]])
    assert trace.wrong is None
    assert trace["dL/dz1"].check.kinks == 3
    assert trace["dL/dz1"].check.compared == 3
    assert "3 of 6 at a kink or lost in rounding" in str(trace["dL/dz1"].check)


def test_two_relus_that_switch_together_are_a_kink_though_their_slopes_agree():
    made = Network(
        [Dense(1, 1, bias=False), Dense(1, 2, "relu", False), Dense(2, 1, bias=False)], dtype="float64"
    )
    made.weights = [[[0.0]], [[1.0, -1.0]], [[1.0], [-1.0]]]  # relu(h) - relu(-h) = h, and both are 0 at 0
    trace = amiss.trace(made, "mse", [[1.0]], [[1.0]])
    assert trace["dL/da1"].value == 0.0
    assert trace["dL/da1"].check.kinks == 1
    assert trace.wrong is None


@pytest.mark.parametrize("loss", ["mae", "hinge", "pinball"])
def test_a_loss_at_its_kink_is_no_fault(loss):
    made = Network([Dense(1, 1, bias=False)], dtype="float64")
    made.weights = [[[1.0]]]
    trace = amiss.trace(made, loss, [[1.0]], [[1.0]])  # error 0, margin 1
    assert trace.wrong is None
    assert trace["dL/da1"].check.kinks == 1


def test_a_derivative_beyond_both_sides_of_a_kink_is_a_fault(monkeypatch):
    monkeypatch.setattr(
        amiss.AbsoluteError, "value_and_gradient", lambda loss, p, t: (loss(p, t), 0 * p + 1.5)
    )
    made = Network([Dense(1, 1, bias=False)], dtype="float64")
    made.weights = [[[1.0]]]
    assert amiss.trace(made, "mae", [[1.0]], [[1.0]]).wrong.name == "dL/da1"


def test_a_step_across_a_kink_is_no_fault():
    made = Network([Dense(1, 1, "relu", bias=False)], dtype="float64")
    made.weights = [[[1e-5]]]
    trace = amiss.trace(made, "mae", [[1.0]], [[0.0]])
    assert trace.wrong is None
    assert trace["dL/dW1"].check.compared == 1


def test_a_probability_next_to_1_is_lost_in_rounding():
    made = Network([Dense(1, 1, "sigmoid")], dtype="float64")
    made.weights = [[[32.0]], [0.0]]
    trace = amiss.trace(made, "bce(input='probabilities')", [[1.0]], [[0.0]])
    assert trace.wrong is None
    assert trace["dL/da1"].check.kinks == 1
    assert trace["dL/dz1"].check.kinks == 1


@pytest.mark.parametrize("weight", np.arange(19.0, 30.0, 0.25))
def test_a_saturated_sigmoid_under_a_loss_of_probabilities_is_no_fault(weight):
    made = Network([Dense(1, 1, "sigmoid")], dtype="float64")
    made.weights = [[[weight]], [0.0]]  # the rounding of the probability is felt by log(1 - p)
    assert amiss.trace(made, "bce(input='probabilities')", [[1.0]], [[0.0]]).wrong is None
