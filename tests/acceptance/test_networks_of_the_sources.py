"""The networks that the sources train: one neuron, Iris by hand, and digits."""

import numpy as np
import pytest

import amiss
from amiss.comparison import load
from amiss.network import SGD, Adam, Dense, Network


def test_one_neuron_learns_at_each_step():
    network = Network([Dense(2, 1, "sigmoid")], seed=0, dtype="float64")
    loss = amiss.BinaryCrossEntropy(input="probabilities")
    x, y = np.array([[1.0, 2.0]]), np.array([[1.0]])
    history = network.fit(x, y, loss=loss, optimizer=SGD(0.1), epochs=50, batch_size=1)
    assert (np.diff(history["loss"]) < 0).all()
    assert len(history["loss"]) == 50


@pytest.fixture(scope="module")
def iris():
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    return x, amiss.one_hot(y, 3)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_hand(x, y, w1, w2, rate, steps, divisor):
    """The update of the thread, where no loss is in sight: E = A2 - y, d = E * A2 * (1 - A2)."""
    history = {"mse": [], "accuracy": []}
    for _ in range(steps):
        a1 = sigmoid(x @ w1)
        a2 = sigmoid(a1 @ w2)
        history["mse"].append(((a2 - y) ** 2).mean())
        history["accuracy"].append((a2.argmax(1) == y.argmax(1)).mean())
        d2 = (a2 - y) * a2 * (1 - a2)
        d1 = (d2 @ w2.T) * a1 * (1 - a1)
        w2 = w2 - rate * (a1.T @ d2) / divisor
        w1 = w1 - rate * (x.T @ d1) / divisor
    return w1, w2, history


def test_the_hand_written_update_minimises_half_the_squared_error(iris):
    x, y = iris
    network = Network(
        [Dense(4, 5, "sigmoid", bias=False), Dense(5, 3, "sigmoid", bias=False)], seed=3, dtype="float64"
    )
    w1, w2, expected = by_hand(x, y, *network.weights, rate=2.0, steps=300, divisor=y.size)
    settings = {"epochs": 300, "batch_size": len(x), "shuffle": False, "metrics": ("accuracy",)}
    history = network.fit(x, y, loss=0.5 * amiss.SquaredError(), optimizer=SGD(2.0), **settings)
    np.testing.assert_allclose(network.weights[0], w1, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(network.weights[1], w2, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(2 * np.array(history["loss"]), expected["mse"], rtol=1e-12)
    assert len(history["accuracy"]) == 300


def test_the_network_by_hand_learns_iris(iris):
    x, y = iris
    network = Network(
        [Dense(4, 5, "sigmoid", bias=False), Dense(5, 3, "sigmoid", bias=False)], seed=0, dtype="float64"
    )
    _, _, history = by_hand(x, y, *network.weights, rate=0.5, steps=3000, divisor=len(x))
    assert len(history["mse"]) == len(history["accuracy"]) == 3000
    assert history["mse"][-1] < history["mse"][0] / 2
    assert history["accuracy"][-1] > 0.9


@pytest.mark.parametrize(("name", "least"), [("digits", 0.95), ("mnist5k", 0.90)])
def test_a_small_network_reads_handwritten_digits(name, least):
    data = load(name)
    inputs, classes = data.x_train.shape[1], len(data.classes)
    network = Network([Dense(inputs, 64, "relu"), Dense(64, classes)], seed=0)
    network.fit(
        data.x_train, data.y_train, loss=amiss.CrossEntropy(), optimizer=Adam(1e-2), epochs=15, batch_size=32
    )
    assert (network.predict_classes(data.x_test) == data.y_test).mean() > least
