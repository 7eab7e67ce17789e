"""Losses are compared fairly: the same start, the same batches, metrics instead of loss values."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from comparison.tiny import TINY, without_times

import amiss
from amiss.comparison import Comparison, Entrant, Interrupted, from_arrays
from amiss.comparison import runs as runs_module
from amiss.comparison.runs import Run, train
from amiss.comparison.settings import Settings
from amiss.comparison.setups import SETUPS, enter, label_of
from amiss.comparison.sources import load
from amiss.core.errors import AmissError, ParameterError
from amiss.naming import parse_loss
from amiss.network import Network


def test_the_default_reaches_its_accuracy():
    comparison = amiss.compare(["ce"], repeats=1)
    assert comparison.data["name"] == "digits"
    assert comparison.runs[0].metrics["accuracy"] > 0.95


def test_five_thousand_digits_of_mnist():
    comparison = amiss.compare(["ce"], data="mnist5k", repeats=1, epochs=5)
    assert comparison.runs[0].metrics["accuracy"] > 0.9


def test_the_default_losses_suit_the_task():
    losses = amiss.compare(**TINY).settings.losses
    assert losses == ("CrossEntropy", "SquaredError", "AbsoluteError", "Hinge")
    losses = amiss.compare(data="diabetes", repeats=1, epochs=1).settings.losses
    assert losses == ("SquaredError", "AbsoluteError", "Huber")


def test_every_loss_starts_from_the_same_weights_and_sees_the_same_batches(monkeypatch):
    seen = {}
    real = Network.fit

    def spy(self, x, y, *, loss, **options):
        class Watched:
            def value_and_gradient(self, prediction, target):
                coded = target if target.ndim == 1 else target.argmax(axis=1)
                seen[key][1].append(coded.tolist())
                return loss.value_and_gradient(prediction, target)

            def __call__(self, prediction, target):
                return loss(prediction, target)

        key = (type(loss).__name__, self.seed)
        seen[key] = ([weight.tolist() for weight in self.weights], [])
        return real(self, x, y, loss=Watched(), **options)

    monkeypatch.setattr(Network, "fit", spy)
    amiss.compare(["ce", "mse", "mae", "hinge", "bce"], **TINY)
    assert len(seen) == 10
    for seed in (0, 1):
        weights, batches = seen["CrossEntropy", seed]
        assert len(batches) == 3 * 4
        for (_, other_seed), (other_weights, other_batches) in seen.items():
            if other_seed == seed:
                assert other_weights == weights
                assert other_batches == batches
    assert seen["Hinge", 0] != seen["Hinge", 1]


def test_a_multiple_of_a_loss_ranks_by_its_accuracy_not_by_its_value():
    comparison = amiss.compare(["0.001*mse", "ce"], **{**TINY, "epochs": 15, "learning_rate": 0.01})
    first, second = comparison.summary()
    assert first["accuracy_mean"] >= second["accuracy_mean"]
    rows = {row["loss"]: row for row in (first, second)}
    assert rows["0.001 * SquaredError"]["train_loss_own_units"] < rows["CrossEntropy"]["train_loss_own_units"]


def test_a_regression_reports_errors_in_the_unit_of_the_target():
    comparison = amiss.compare(["mse"], data="diabetes", repeats=1, epochs=30)
    result, data = comparison.runs[0], load("diabetes")
    own = data.y_test * data.target_sd + data.target_mean
    assert result.metrics["rmse"] == pytest.approx(result.history["val_rmse"][-1], rel=1e-6)
    assert result.metrics["r2"] == pytest.approx(1 - result.metrics["rmse"] ** 2 / own.var(), rel=1e-9)
    assert 40 < result.metrics["rmse"] < 90
    assert "progress after one year" in " ".join(comparison.table().split())


def test_a_diverged_run_stays_in_every_table():
    comparison = amiss.compare(["ce", "mse"], **TINY, optimizer="sgd", learning_rate=1e4)
    assert comparison.status == "diverged"
    last = comparison.summary()[-1]
    assert (last["loss"], last["diverged"], last["finished"]) == ("CrossEntropy", 2, 0)
    assert "diverged" in comparison.table()
    assert comparison.to_dict()["summary"][-1]["accuracy_mean"] is None
    assert {run["status"] for run in comparison.to_dict()["runs"]} == {"diverged", "finished"}


def test_differences_are_taken_seed_by_seed():
    comparison = amiss.compare(["ce", "mse"], **TINY)
    best, other = comparison.summary()
    accuracy = {(run.loss, run.seed): run.metrics["accuracy"] for run in comparison.runs}
    differences = [accuracy[other["loss"], seed] - accuracy[best["loss"], seed] for seed in (0, 1)]
    assert other["difference_mean"] == pytest.approx(np.mean(differences))
    assert other["difference_sd"] == pytest.approx(np.std(differences, ddof=1))
    assert best["difference_mean"] == 0


def test_epochs_are_counted_until_the_accuracy_is_reached():
    comparison = amiss.compare(["ce"], data="iris", repeats=1, epochs=20, learning_rate=0.01, reach=0.8)
    epoch = comparison.summary()[0]["epochs_to_reach"]
    curve = comparison.runs[0].history["val_accuracy"]
    assert curve[int(epoch) - 1] >= 0.8
    assert all(value < 0.8 for value in curve[: int(epoch) - 1])
    never = amiss.compare(["ce"], data="iris", repeats=1, epochs=1, learning_rate=1e-9, reach=0.99)
    assert math.isnan(never.summary()[0]["epochs_to_reach"])
    assert "never" in never.table()


def test_a_search_sees_training_rows_only_and_its_cost_is_shown():
    comparison = amiss.compare(["ce", "mse"], **TINY, learning_rate="auto")
    assert len(comparison.search) == 10
    assert {result.part for result in comparison.search} == {"validation"}
    assert any("10 runs" in note for note in comparison.notes())
    for loss, rate in comparison.rates().items():
        tried = [result for result in comparison.search if result.loss == loss]
        best = max(result.metrics["accuracy"] for result in tried)
        assert best in [result.metrics["accuracy"] for result in tried if result.learning_rate == rate]
        assert {run.learning_rate for run in comparison.runs if run.loss == loss} == {rate}

    data = load("iris")
    validation = {row.tobytes() for row in data.validation.x_test}
    assert validation <= {row.tobytes() for row in data.x_train}
    assert len(data.validation.x_train) + len(data.validation.x_test) == len(data.x_train)


def test_without_a_search_the_difference_in_scale_is_noted():
    assert any("differ in scale" in note for note in amiss.compare(["ce", "mse"], **TINY).notes())


def test_the_result_says_what_each_loss_was_given():
    comparison = amiss.compare(["hinge", "ce"], **TINY)
    assert comparison.setup == (
        {"loss": "Hinge", "output": "identity", "target": "signs"},
        {"loss": "CrossEntropy", "output": "identity", "target": "index"},
    )
    assert "one-vs-rest -1, +1" in comparison.table()


def test_the_same_call_gives_the_same_numbers():
    assert without_times(amiss.compare(**TINY)) == without_times(amiss.compare(**TINY))


def test_two_processes_give_the_numbers_of_one():
    alone = amiss.compare(["ce", "mse"], **TINY, learning_rate="auto")
    events = []
    together = amiss.compare(["ce", "mse"], **TINY, learning_rate="auto", jobs=2, progress=events.append)
    assert without_times(together) == without_times(alone)
    assert sum(event["event"] == "epoch" for event in events) == 3 * (10 + 4)


def test_no_process_reports_an_epoch_after_its_run():
    for _ in range(3):
        events = []
        amiss.compare(["ce", "mse"], **TINY, jobs=2, progress=events.append)
        runs = [(event["loss"], event["seed"]) for event in events if event["event"] == "run"]
        assert len(runs) == 4
        for run in runs:
            own = [event["event"] for event in events if (event.get("loss"), event.get("seed")) == run]
            assert own == ["epoch", "epoch", "epoch", "run"]


def test_any_executor_gives_the_same_numbers():
    with ThreadPoolExecutor(1) as executor:
        other = amiss.compare(["ce", "mse"], **TINY, executor=executor)
    assert without_times(other) == without_times(amiss.compare(["ce", "mse"], **TINY))


def test_progress_counts_runs_and_epochs():
    events = []
    amiss.compare(["ce", "mse"], **TINY, progress=events.append)
    assert events[0] == {"event": "start", "phase": "runs", "runs": 4, "epochs": 12}
    assert [event["event"] for event in events[1:]] == ["epoch", "epoch", "epoch", "run"] * 4
    assert events[1].items() >= {"loss": "CrossEntropy", "seed": 0, "epoch": 1}.items()
    assert events[1]["train_loss"] > 0


def test_nothing_is_printed(capsys):
    amiss.compare(**TINY)
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_keeps_what_is_finished():
    def interrupt(event):
        if event["event"] == "epoch" and (event["loss"], event["epoch"]) == ("SquaredError", 2):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        amiss.compare(["ce", "mse"], **TINY, progress=interrupt)
    comparison = caught.value.comparison
    assert [run.status for run in comparison.runs] == ["finished", "interrupted"]
    assert comparison.status == "interrupted"
    assert "3 of its runs are missing" in comparison.table(200)
    assert "0 of 2 done" in comparison.table(200)
    assert "1 of 2 done" in comparison.table(200)


def test_data_in_memory_can_be_compared():
    x = np.random.default_rng(0).normal(size=(60, 3))
    comparison = amiss.compare(["ce", "bce"], data=from_arrays(x, x[:, 0] > 0), repeats=1, epochs=30)
    assert comparison.summary()[0]["accuracy_mean"] > 0.8
    assert comparison.settings.command is None


def test_losses_and_outputs_of_ones_own():
    own = Entrant(amiss.SquaredError(), "identity", "one-hot")
    comparison = amiss.compare([own, amiss.CrossEntropy(label_smoothing=0.1)], **TINY)
    assert comparison.settings.losses == ("SquaredError", "CrossEntropy(label_smoothing=0.1)")
    assert comparison.setup[0]["output"] == "identity"


def test_a_run_does_not_depend_on_the_runs_before_it():
    settings, data = Settings(("Hinge",), data="iris", epochs=2), load("iris")
    run = Run(enter("hinge", "classification"), 3, 0.01, settings)
    assert train(run, data).history["loss"] == train(run, data).history["loss"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"losses": ["cee"]}, "no loss is called 'cee'"),
        ({"losses": ["ce", "CrossEntropyLoss", "ce"]}, "different losses; got CrossEntropy twice"),
        ({"losses": ["huber(delta=0)"]}, "delta"),
        ({"losses": ["huber(1)"]}, "must be written as in"),
        ({"data": "iriss"}, "Did you mean 'iris'"),
        (
            {"data": "diabetes", "losses": ["ce"]},
            "CrossEntropy is for classes; the data are a regression. Choose among",
        ),
        ({"losses": ["ce + mse"]}, "must take the same outputs and targets"),
        ({"repeats": 0}, "repeats must be a whole number of at least 1; got 0"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"hidden": (0,)}, "hidden must be a whole number of at least 1"),
        ({"optimizer": "adm"}, "Did you mean 'adam'"),
        ({"learning_rate": -1.0}, "learning_rate must be a positive number or 'auto'; got -1.0"),
        ({"learning_rate": "fast"}, "or 'auto'"),
        ({"jobs": 0}, "jobs must be a whole number"),
        ({"reach": 90}, r"reach must be an accuracy in \(0, 1\]; got 90. Did you mean 0.9\?"),
        ({"reach": 0}, "reach must be a positive number"),
        ({"data": "diabetes", "losses": ["hinge"]}, "Hinge is for classes; the data are a regression"),
    ],
)
def test_a_wrong_argument_is_named(given, message):
    with pytest.raises(ParameterError, match=message):
        amiss.compare(**{**TINY, **given})


def test_a_missing_package_for_metrics_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(AmissError, match=r'pip install "amiss\[data\]"'):
        runs_module.measured(load_arrays(), np.zeros((2, 2)))


def load_arrays():
    return from_arrays(np.arange(8.0), [0, 1] * 4)


def all_losses():
    losses = [loss() for family in amiss.catalogue().values() for loss in family]
    choices = {loss: loss.parameters().get("input", {}).get("choices", ()) for loss in losses}
    return losses + [type(loss)(input=choice) for loss in losses for choice in choices[loss][1:2]]


@pytest.mark.parametrize("loss", all_losses(), ids=label_of)
@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_every_loss_is_trained_with_the_first_row_that_fits_or_refused(loss, data):
    task, names = load(data).task, {base.__name__ for base in type(loss).__mro__}
    rows = [row for row in SETUPS if row.task == task and row.loss in names]
    fitting = [row for row in rows if row.input in (None, getattr(loss, "input", None))]
    if task == "regression" and not (loss.target_domain.everything and loss.prediction_domain.everything):
        fitting = []
    if not fitting:
        with pytest.raises(ParameterError, match=r"the data are a \w+\. Choose among|has no usual output"):
            amiss.compare([loss], data=data)
        return
    comparison = amiss.compare([loss], data=data, repeats=1, epochs=2)
    assert comparison.setup[0] == {
        "loss": label_of(loss),
        "output": fitting[0].output,
        "target": fitting[0].target,
    }
    assert comparison.status == "finished"


@pytest.mark.parametrize(
    "text", ["ce", "huber(delta=2)", "0.5 * mse + 2 * mae", "CrossEntropy(class_weight=(1.0, 2.0, 1.0))"]
)
def test_the_name_of_a_loss_is_read_back_as_that_loss(text):
    loss = parse_loss(text)
    assert parse_loss(label_of(loss)) == loss


@pytest.mark.parametrize("loss", all_losses(), ids=label_of)
def test_every_loss_of_the_catalogue_is_read_back_as_that_loss(loss):
    """A comparison is repeated and resumed from the text of its losses."""
    assert parse_loss(label_of(loss)) == loss
    combined = 0.5 * loss + 2 * loss
    assert label_of(parse_loss(label_of(combined))) == label_of(combined)


@pytest.mark.parametrize(
    "given", [{"losses": ["cee"]}, {"losses": ["ce", "ce"]}, {"epochs": 0}, {"optimizer": "x"}, {"jobs": 0}]
)
def test_all_else_is_checked_before_the_data_are_loaded(given, monkeypatch):
    monkeypatch.setattr("amiss.comparison.comparing.load", None)
    with pytest.raises(ParameterError):
        amiss.compare(**{**TINY, **given})


@pytest.mark.parametrize(
    ("rates", "what"), [((3e-3, 3e-2), "0.03 is the largest"), ((3e-4, 1e-3), "smallest")]
)
def test_a_learning_rate_at_the_edge_of_those_tried_is_noted(monkeypatch, rates, what):
    monkeypatch.setattr(Comparison, "rates", lambda self: dict(zip(self.settings.losses, rates, strict=True)))
    notes = amiss.compare(["ce", "mse"], **TINY, learning_rate="auto").notes()
    edge = [note for note in notes if "tried" in note]
    assert len(edge) == 1
    assert what in edge[0]
    assert any("validated on the other quarter" in note for note in notes)


def test_a_diverged_run_is_a_status_and_no_warning(recwarn):
    amiss.compare(["ce"], **TINY, optimizer="sgd", learning_rate=1e9)
    assert not recwarn.list


@pytest.mark.parametrize(
    "text",
    ["huber(", "huber(delta=open('x'))", "(ce)(ce)", "ce*2", "__import__('os')", "huber(**{})", "[ce](1)"],
)
def test_a_loss_in_text_is_never_evaluated(text):
    with pytest.raises(ParameterError):
        parse_loss(text)
