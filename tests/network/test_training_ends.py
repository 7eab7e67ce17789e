"""How a run ends, which arguments keep it from beginning, and what it shows on the way."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from network.tasks import Scripted, digits, small

import amiss
from amiss.core.errors import DomainError, ParameterError, ShapeError
from amiss.network import SGD, Adam, Dense, Network


class TestEnds:
    def test_a_callback_sees_each_epoch_and_can_end_the_run(self):
        seen, network = [], small()

        def callback(epoch, history, given):
            assert given is network
            assert history.status == "running"
            seen.append((epoch, len(history["loss"])))
            return epoch == 2

        history = network.fit(*digits(), loss=amiss.CrossEntropy(), epochs=5, callback=callback)
        assert seen == [(1, 1), (2, 2)]
        assert (history.status, history.message) == ("finished", "The callback ended the run after epoch 2.")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_loss_that_is_not_finite_ends_the_run_before_the_step(self, value):
        network = small()
        with pytest.warns(RuntimeWarning, match="Network: fit ended early. In epoch 2 the loss of batch 2"):
            history = network.fit(
                np.ones((6, 4)),
                np.zeros(6),
                loss=Scripted(1.0, 2.0, 3.0, value),
                optimizer=SGD(0.5),
                epochs=4,
                batch_size=3,
            )
        assert history.status == "diverged"
        assert history["loss"] == [1.5]
        assert {len(values) for values in history.values()} == {1}
        assert history.message == (
            f"In epoch 2 the loss of batch 2 of 2 was {value}, "
            "with SGD(learning_rate=0.5, momentum=0.0, nesterov=False). A smaller learning rate may help."
        )
        assert np.isfinite(network.parameters).all()

    def test_weights_that_are_not_finite_end_the_run(self):
        loss = Scripted(1.0, 1.0, gradient=np.nan)
        with pytest.warns(RuntimeWarning, match="fit ended early"):
            history = small().fit(np.ones((6, 4)), np.zeros(6), loss=loss, epochs=2, batch_size=6)
        assert (history.status, history["loss"]) == ("diverged", [])
        assert history.message.startswith("In epoch 1 a weight was not a finite number")

    def test_a_real_divergence_is_one_warning_where_fit_was_called(self):
        x = np.linspace(-10, 10, 20)[:, None]
        network = Network([Dense(1, 8, "relu"), Dense(8, 1)], seed=0)
        settings = {"optimizer": SGD(10.0), "epochs": 500, "batch_size": 20}
        with pytest.warns(RuntimeWarning) as caught:
            history = network.fit(x, x, loss=amiss.SquaredError(), **settings)
        assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]
        assert history.message in str(caught[0].message)
        assert history.status == "diverged"
        assert "status='diverged', message='In epoch" in repr(history)
        assert len(history["loss"]) < 500

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
    def test_an_interrupted_run_keeps_the_finished_epochs(self, error):
        network = small()

        def callback(epoch, history, network):
            if epoch == 2:
                raise error("enough")

        with pytest.raises(error):
            network.fit(*digits(), loss=amiss.CrossEntropy(), epochs=5, callback=callback)
        assert network.history.status == "interrupted"
        assert network.history.message == f"In epoch 2: {error.__name__}('enough')"
        assert len(network.history["loss"]) == network.epochs == 2


class TestArguments:
    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"epochs": 0}, ParameterError, "Network: epochs must be an integer of 1 or more; got 0."),
            ({"epochs": 2.0}, ParameterError, "Network: epochs must be an integer of 1 or more; got 2.0."),
            (
                {"batch_size": True},
                ParameterError,
                "Network: batch_size must be an integer of 1 or more; got True.",
            ),
            (
                {"loss": "mse"},
                ParameterError,
                "Network: loss must be a loss such as amiss.CrossEntropy(); got 'mse'.",
            ),
            (
                {"optimizer": "adam"},
                ParameterError,
                "Network: optimizer must be SGD(...) or Adam(...); got 'adam'.",
            ),
            (
                {"loss": amiss.CrossEntropy},
                ParameterError,
                f"Network: loss must be a loss such as amiss.CrossEntropy(); got {amiss.CrossEntropy!r}.",
            ),
            (
                {"optimizer": Adam},
                ParameterError,
                f"Network: optimizer must be SGD(...) or Adam(...); got {Adam!r}.",
            ),
            (
                {"metrics": ("acuracy",)},
                ParameterError,
                "Network: metrics must be 'accuracy' or functions; got 'acuracy'. Did you mean 'accuracy'?",
            ),
            (
                {"metrics": ("accuracy", "accuracy")},
                ParameterError,
                "Network: metrics must have names of their own; got 'accuracy' again. Rename it.",
            ),
            (
                {"y": np.zeros(4, int)},
                ShapeError,
                "Network: x and y must have the same items, one or more; got (5, 4) and (4,).",
            ),
            (
                {"x": np.zeros((0, 4)), "y": np.zeros(0, int)},
                ShapeError,
                "Network: x and y must have the same items, one or more; got (0, 4) and (0,).",
            ),
            (
                {"validation": (np.zeros((3, 4)), np.zeros(2, int))},
                ShapeError,
                "Network: x and y must have the same items, one or more; got (3, 4) and (2,).",
            ),
        ],
    )
    def test_bad_arguments_are_refused(self, change, error, message):
        arguments = {"x": np.zeros((5, 4)), "y": np.zeros(5, int), "loss": amiss.CrossEntropy()} | change
        network = small()
        before = network.weights
        with pytest.raises(error) as caught:
            network.fit(**arguments)
        assert str(caught.value) == message
        for one, other in zip(before, network.weights, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_gradient_of_another_shape_is_refused(self):
        class Flat:
            def value_and_gradient(self, prediction, target):
                return 1.0, np.zeros(len(prediction))

        with pytest.raises(ShapeError, match=r"delta must have shape \(5, 3\); got \(5,\)"):
            small().fit(np.zeros((5, 4)), np.zeros(5), loss=Flat())

    def test_a_column_is_not_a_vector(self):
        with pytest.raises(ShapeError) as caught:
            Network([Dense(4, 1)]).fit(np.zeros((5, 4)), np.zeros(5), loss=amiss.SquaredError(), batch_size=2)
        message = "Network: y must have shape (5, 1) for one output; got (5,). Write y[:, None]."
        assert str(caught.value) == message

    @pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("place", ["x", "y", "validation x", "validation y"])
    def test_a_number_that_is_not_finite_is_refused_before_the_first_step(self, number, dtype, place):
        x, y = np.ones((50, 4), dtype), np.ones((50, 3), dtype)
        given = {"x": x, "y": y, "validation x": x.copy(), "validation y": y.copy()}
        given[place][3, 1] = given[place][40, 0] = number
        network = small()
        before = network.parameters.copy()
        validation = given["validation x"], given["validation y"]
        with pytest.raises(DomainError) as caught:
            network.fit(x, y, loss=amiss.SquaredError(), validation=validation)
        assert str(caught.value) == (
            f"Network: {place} must hold finite numbers; got {place}[3, 1] = {number}. "
            "Drop or fill such rows."
        )
        np.testing.assert_array_equal(network.parameters, before)

    @pytest.mark.parametrize("loss", [amiss.CrossEntropy(), 2.0 * amiss.CrossEntropy()], ids=repr)
    @pytest.mark.parametrize("seed", range(3))
    def test_a_bad_label_is_named_by_its_place_in_y(self, loss, seed):
        x, y = digits(200)
        y[137] = 5
        with pytest.raises(DomainError, match=r"got target\[137\] = 5"):
            small(seed).fit(x, y, loss=loss)

    def test_a_bad_number_is_named_by_its_place_in_y(self):
        x, y = np.zeros((200, 4)), np.ones((200, 3))
        y[137, 2] = 7
        with pytest.raises(DomainError, match=r"got target\[137, 2\] = 7"):
            small().fit(x, y, loss=amiss.Hinge())


PROGRAM = """
import numpy as np, amiss
from amiss.network import Dense, Network
network = Network([Dense(2, 1)], seed=0)
network.fit(np.ones((4, 2)), np.ones((4, 1)), loss=amiss.SquaredError(), epochs=2, progress={show})
"""


class TestProgress:
    @pytest.mark.parametrize("show", ["auto", None, False])
    def test_nothing_is_shown_where_nobody_looks(self, show, capfd):
        small().fit(*digits(), loss=amiss.CrossEntropy(), progress=show)
        assert capfd.readouterr() == ("", "")

    def test_a_line_per_epoch_on_standard_error(self, capfd):
        small().fit(*digits(), loss=amiss.CrossEntropy(), epochs=2, progress=True)
        out, err = capfd.readouterr()
        assert out == ""
        assert [line.split("  ")[0] for line in err.splitlines()] == ["epoch 1/2", "epoch 2/2"]
        assert "loss " in err

    @pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
    def test_a_bar_on_a_terminal(self):
        import pty

        ours, theirs = pty.openpty()
        command = [sys.executable, "-c", PROGRAM.format(show="'auto'")]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
        done = subprocess.run(command, stderr=theirs, stdout=subprocess.PIPE, check=True, env=environment)
        os.close(theirs)
        shown = os.read(ours, 100_000).decode()
        os.close(ours)
        assert "epoch 2" in shown
        assert "100%" in shown
        assert done.stdout == b""
