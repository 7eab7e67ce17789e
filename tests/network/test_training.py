"""What `fit` does and what it writes down."""

import pickle

import numpy as np
import pytest
import torch
from network.tasks import Recorder, Scripted, digits, small

import amiss
from amiss.core.errors import DomainError, ShapeError
from amiss.network import SGD, Adam, Dense, Network


class TestLearning:
    def test_one_neuron_gets_better_with_each_step(self):
        x = np.linspace(-1, 1, 20)[:, None]
        network = Network([Dense(1, 1)], seed=0, dtype="float64")
        history = network.fit(
            x, 3 * x - 1, loss=amiss.SquaredError(), optimizer=SGD(0.1), epochs=300, batch_size=20
        )
        assert len(history["loss"]) == 300
        assert (np.diff(history["loss"]) < 0).all()
        np.testing.assert_allclose([weight.item() for weight in network.weights], [3, -1], atol=1e-8)

    def test_one_step_is_what_was_computed_by_hand(self):
        network = Network([Dense(1, 1)], dtype="float64")
        network.weights = [[[2.0]], [1.0]]
        # prediction 2 * 3 + 1 = 7, error 7 - 5 = 2, loss ½ 2² = 2, delta = 2, dL/dW = 2 * 3, dL/db = 2
        history = network.fit([[3.0]], [[5.0]], loss=0.5 * amiss.SquaredError(), optimizer=SGD(0.1))
        assert history["loss"] == [2.0]
        assert history["gradient_norm"] == pytest.approx([40**0.5])
        np.testing.assert_allclose([weight.item() for weight in network.weights], [2 - 0.6, 1 - 0.2])

    @pytest.mark.parametrize("name", ["sgd", "adam"])
    def test_a_run_equals_the_same_run_in_torch(self, name):
        x, y = digits()
        network = small(dtype="float64")
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()
        with torch.no_grad():
            for parameter, weight in zip(model.parameters(), network.weights, strict=True):
                parameter.copy_(torch.from_numpy(weight.T))
        own, peer = {
            "sgd": (SGD(0.1, momentum=0.9), torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)),
            "adam": (Adam(0.01), torch.optim.Adam(model.parameters(), lr=0.01)),
        }[name]
        losses = []
        for _ in range(5):
            total = 0.0
            for start in range(0, 50, 16):
                peer.zero_grad()
                inputs, target = (
                    torch.tensor(x[start : start + 16]).double(),
                    torch.tensor(y[start : start + 16]),
                )
                loss = torch.nn.functional.cross_entropy(model(inputs), target)
                loss.backward()
                peer.step()
                total += loss.item() * len(target)
            losses.append(total / 50)
        settings = {"optimizer": own, "epochs": 5, "batch_size": 16, "shuffle": False}
        history = network.fit(x, y, loss=amiss.CrossEntropy(), **settings)
        np.testing.assert_allclose(history["loss"], losses, rtol=1e-11)
        for weight, parameter in zip(network.weights, model.parameters(), strict=True):
            np.testing.assert_allclose(weight, parameter.detach().numpy().T, rtol=0, atol=1e-11)

    def test_classification_is_learnt_whatever_the_dtype_of_the_data(self):
        x, y = digits(200)
        levels = ((x - x.min()) * 30).astype(np.uint8)
        outcomes = []
        for data in (levels, levels.astype("float64"), levels.tolist()):
            network = small()
            history = network.fit(data, y, loss=amiss.CrossEntropy(), epochs=30, metrics=("accuracy",))
            outcomes.append(history["loss"])
            assert history["accuracy"][-1] > 0.9
        assert outcomes[0] == outcomes[1] == outcomes[2]


class TestBatches:
    def test_each_epoch_takes_every_item_once_and_keeps_the_short_last_batch(self):
        loss, x = Recorder(), np.zeros((10, 4))
        small().fit(x, np.arange(10), loss=loss, epochs=2, batch_size=4)
        assert [len(target) for target in loss.targets] == [4, 4, 2, 4, 4, 2]
        first, second = np.concatenate(loss.targets[:3]), np.concatenate(loss.targets[3:])
        np.testing.assert_array_equal(np.sort(first), np.arange(10))
        np.testing.assert_array_equal(np.sort(second), np.arange(10))
        assert (first != second).any()

    def test_without_shuffle_the_order_is_that_of_the_data(self):
        loss = Recorder()
        small().fit(np.zeros((10, 4)), np.arange(10), loss=loss, batch_size=4, shuffle=False)
        np.testing.assert_array_equal(np.concatenate(loss.targets), np.arange(10))

    def test_the_loss_of_an_epoch_weighs_the_batches_by_their_items(self):
        history = small().fit(np.zeros((10, 4)), np.arange(10), loss=Recorder(), batch_size=4)
        assert history["loss"] == [4.5]

    def test_a_batch_in_which_every_item_is_ignored_makes_no_step(self):
        history = small().fit(
            np.ones((6, 4)), np.arange(6), loss=Scripted(np.nan, gradient=0.0), batch_size=6
        )
        assert history.status == "finished"
        assert np.isnan(history["loss"]).all()

    def test_data_are_left_alone(self):
        x, y = digits()
        before = x.copy(), y.copy()
        x.flags.writeable = y.flags.writeable = False
        small().fit(x, y, loss=amiss.CrossEntropy(), epochs=2)
        np.testing.assert_array_equal(x, before[0])
        np.testing.assert_array_equal(y, before[1])


class TestSeed:
    def test_the_same_seed_gives_the_same_run(self):
        x, y = digits()
        runs = []
        for _ in range(2):
            network = small(seed=3)
            history = network.fit(x, y, loss=amiss.CrossEntropy(), epochs=3)
            runs.append((history["loss"], network.parameters))
        assert runs[0][0] == runs[1][0]
        np.testing.assert_array_equal(runs[0][1], runs[1][1])

    def test_another_seed_gives_other_weights_and_another_order(self):
        orders = []
        for seed in (0, 1, 2**70):
            loss, network = Recorder(), small(seed)
            network.fit(np.zeros((10, 4)), np.arange(10), loss=loss, batch_size=10)
            orders.append((*loss.targets[0], network.parameters[0]))
        assert len(set(orders)) == 3

    def test_the_order_depends_on_neither_the_loss_nor_the_network_nor_the_optimiser(self):
        orders = []
        for layers, optimizer in [([Dense(4, 3)], SGD()), ([Dense(4, 9, "tanh"), Dense(9, 1)], Adam())]:
            loss = Recorder()
            network = Network(layers, seed=5)
            network.fit(
                np.zeros((10, 4)), np.arange(10), loss=loss, optimizer=optimizer, epochs=2, batch_size=3
            )
            orders.append(np.concatenate(loss.targets))
        np.testing.assert_array_equal(*orders)

    def test_without_a_seed_one_is_drawn_and_can_be_used_again(self):
        first, second = small(seed=None), small(seed=None)
        assert first.seed != second.seed
        np.testing.assert_array_equal(small(seed=first.seed).parameters, first.parameters)

    def test_training_goes_on_where_it_stopped(self):
        """With an optimiser that has no memory, two and three epochs are five."""
        x, y = digits()
        settings = {"loss": amiss.CrossEntropy(), "optimizer": SGD(0.1), "batch_size": 7}
        whole, parts = small(), small()
        history = whole.fit(x, y, epochs=5, **settings)
        losses = [
            *parts.fit(x, y, epochs=2, **settings)["loss"],
            *parts.fit(x, y, epochs=3, **settings)["loss"],
        ]
        assert losses == history["loss"]
        assert whole.epochs == parts.epochs == 5
        np.testing.assert_array_equal(parts.parameters, whole.parameters)

    def test_the_optimiser_begins_anew_in_each_run(self):
        x, y = digits()
        settings = {"loss": amiss.CrossEntropy(), "batch_size": 50}
        whole, parts, optimizer = small(), small(), Adam(0.01)
        whole.fit(x, y, optimizer=optimizer, epochs=4, **settings)
        for _ in range(4):
            parts.fit(x, y, optimizer=optimizer, **settings)
        assert not np.allclose(parts.parameters, whole.parameters)


class TestHistory:
    def test_keys_and_lengths(self):
        x, y = digits()
        settings = {"epochs": 3, "validation": digits(20, 1), "metrics": "accuracy"}
        history = small().fit(x, y, loss=amiss.CrossEntropy(), **settings)
        assert list(history) == ["loss", "gradient_norm", "seconds", "accuracy", "val_loss", "val_accuracy"]
        assert {len(values) for values in history.values()} == {3}
        assert all(type(value) is float for values in history.values() for value in values)
        assert (history.status, history.message) == ("finished", "")

    def test_the_loss_of_a_full_batch_is_the_loss_before_the_step(self):
        x, y = digits()
        network, loss = small(dtype="float64"), amiss.CrossEntropy()
        before = float(loss(network.predict(x), y))
        history = network.fit(x, y, loss=loss, batch_size=50, validation=(x, y))
        assert history["loss"] == pytest.approx([before], rel=1e-13)
        assert history["val_loss"] == pytest.approx([float(loss(network.predict(x), y))], rel=1e-13)
        assert history["val_loss"] < history["loss"]

    def test_the_gradient_norm_is_that_of_the_first_step(self):
        x, y = digits()
        network, loss = small(dtype="float64"), amiss.CrossEntropy()
        activations = network.forward(x)
        gradient = network.backward(activations, loss.gradient(activations[-1], y))
        history = network.fit(x, y, loss=loss, batch_size=50, shuffle=False)
        norm = sum((array**2).sum() for array in gradient) ** 0.5
        assert history["gradient_norm"] == pytest.approx([norm], rel=1e-13)

    def test_it_can_be_pickled(self):
        history = small().fit(*digits(), loss=amiss.CrossEntropy())
        again = pickle.loads(pickle.dumps(history))
        assert (again, again.status) == (history, "finished")


class TestMetrics:
    def test_a_metric_may_be_a_function_and_sees_each_item_once(self):
        x, y = digits()
        seen = []

        def largest(prediction, target):
            seen.append((prediction.shape, target.shape))
            return float(prediction.max())

        history = small().fit(
            x, y, loss=amiss.CrossEntropy(), metrics=(largest, "accuracy"), validation=(x[:9], y[:9])
        )
        assert seen == [((50, 3), (50,)), ((9, 3), (9,))]
        assert len(history["largest"]) == len(history["val_largest"]) == 1

    def test_the_accuracy_of_an_epoch_is_measured_before_each_step(self):
        x, y = digits()
        network = small()
        before = np.mean(network.predict_classes(x) == y)
        history = network.fit(x, y, loss=amiss.CrossEntropy(), batch_size=50, metrics="accuracy")
        assert history["accuracy"] == [before]

    @pytest.mark.parametrize(
        ("activation", "target", "expected"),
        [
            ("identity", [0, 1, 1], 1.0),
            ("identity", [[-1.0], [1.0], [1.0]], 1.0),
            ("identity", [1, 1, 1], 2 / 3),
            ("sigmoid", [0, 1, 1], 1.0),
            ("tanh", [-1, 1, -1], 2 / 3),
        ],
    )
    def test_accuracy_of_a_single_output(self, activation, target, expected):
        network = Network([Dense(1, 1, activation, bias=False)])
        network.weights = [[[1.0]]]
        x = [[-0.5], [0.2], [0.9]]
        assert network.accuracy(network.predict(x), np.array(target)) == pytest.approx(expected)
        np.testing.assert_array_equal(network.predict_classes(x), [0, 1, 1])

    def test_accuracy_takes_indices_and_one_hot_rows(self):
        network, output = small(), np.array([[0.1, 0.9, 0.0], [0.7, 0.1, 0.2]])
        assert network.accuracy(output, np.array([1, 2])) == 0.5
        assert network.accuracy(output, np.array([[0, 1, 0], [1, 0, 0]])) == 1.0

    def test_accuracy_of_a_regression_is_refused(self):
        network = Network([Dense(1, 1)])
        with pytest.raises(DomainError, match="accuracy"):
            network.accuracy(np.array([[0.3], [0.7]]), np.array([[0.3], [0.5]]))
        with pytest.raises(ShapeError, match="accuracy"):
            small().accuracy(np.zeros((2, 3)), np.zeros((2, 2)))
