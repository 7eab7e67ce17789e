"""Beside each result stands what the best constant output costs, and what a first loss should be."""

import json
import math

import numpy as np
import pytest
from comparison.tiny import TINY, without_times
from losses_under_test import name
from matplotlib.colors import to_hex

import amiss
from amiss.comparison import Comparison, from_arrays, load
from amiss.comparison.constants import constant_of
from amiss.comparison.display import sheets
from amiss.comparison.setups import SETUPS, coded, enter

COUNTS = (12, 6, 6)
SHARES = np.array(COUNTS) / sum(COUNTS)
ENTROPY = -float(SHARES @ np.log(SHARES))


@pytest.fixture(scope="module")
def classes():
    """Three classes, half of the training rows in the first."""
    y = np.repeat([0, 1, 2], COUNTS)
    x = np.random.default_rng(0).normal(size=(len(y), 2))
    return from_arrays(x, y, test=(x, y))


def found(loss, data):
    constant = constant_of(enter(loss, data.task), data)
    return constant.value, constant.start


@pytest.mark.parametrize(
    ("loss", "value", "start"),
    [
        ("ce", ENTROPY, math.log(3)),
        ("CrossEntropy(input='probabilities')", ENTROPY, math.log(3)),
        ("mse", SHARES @ (1 - SHARES) / 3, (4 / 9 + 2 / 9) / 3),
        ("mae", 2 * (1 - 0.5) / 3, 4 / 9),  # all on the largest class; 2 (1 - 1 / 3) / 3
        ("hinge", np.mean(2 * np.minimum(SHARES, 1 - SHARES)), 1.0),
        ("bce", -np.mean(SHARES * np.log(SHARES) + (1 - SHARES) * np.log(1 - SHARES)), math.log(2)),
        ("rmse", math.sqrt(SHARES @ (1 - SHARES) / 3), math.sqrt((4 / 9 + 2 / 9) / 3)),
    ],
)
def test_the_numbers_of_classes(classes, loss, value, start):
    assert found(loss, classes) == pytest.approx((value, start), rel=1e-6)


@pytest.mark.parametrize("loss", ["huber(delta=0.3)", "log_cosh", "mse", "mae"])
def test_no_row_of_probabilities_is_better(classes, loss):
    entrant = enter(loss, "classification")
    target = coded(entrant, classes, classes.y_train).astype(float)
    value, _ = found(loss, classes)
    tried = [
        float(entrant.loss(np.broadcast_to(row, target.shape).copy(), target))
        for row in np.random.default_rng(1).dirichlet(np.ones(3), 400)
    ]
    assert value <= min(tried) + 1e-9


def test_the_numbers_of_a_regression():
    data = load("diabetes")
    y = coded(enter("mse", "regression"), data, data.y_train).astype(float).ravel()
    assert found("mse", data) == pytest.approx((np.var(y), np.mean(y**2)))
    assert found("mae", data)[0] == pytest.approx(np.mean(np.abs(y - np.median(y))))


KINDS = {kind.__name__: kind for family in amiss.catalogue().values() for kind in family}
USUAL = [
    KINDS[setup.loss](**({} if setup.input is None else {"input": setup.input}))
    for setup in SETUPS
    if setup.loss in KINDS
]


@pytest.mark.parametrize("loss", USUAL, ids=name)
def test_every_usual_loss_has_a_finite_baseline_below_its_start(classes, loss):
    value, start = found(loss, classes)
    assert math.isfinite(value)
    assert value <= start + 1e-12


def test_a_sum_of_losses_has_none(classes):
    assert all(map(math.isnan, found("0.5*mse + 0.5*mae", classes)))


def test_a_loss_of_ones_own_has_one(classes):
    assert found(amiss.define("(prediction-target)**2"), classes)[0] == pytest.approx(
        found("mse", classes)[0]
    )


# --- shown -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def comparison():
    return amiss.compare(["ce", "mse", "hinge", "0.5*mse+0.5*mae"], **TINY)


def test_the_table_shows_it_and_a_dash_where_there_is_none(comparison):
    training = sheets(comparison)[1]
    rows = {row[0]: dict(zip(training.heads, row, strict=True)) for row in training.rows}
    assert (rows["CrossEntropy"]["Best constant"], rows["CrossEntropy"]["Expected start"]) == ("1.1", "1.1")
    assert (rows["SquaredError"]["Best constant"], rows["SquaredError"]["Expected start"]) == (
        "0.222",
        "0.222",
    )
    both = rows["0.5 * SquaredError + 0.5 * AbsoluteError"]
    assert (both["Best constant"], both["Expected start"]) == ("-", "-")


def test_the_document_and_the_report_keep_it(comparison, tmp_path):
    comparison.save(tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["baselines"][0]["loss"] == "CrossEntropy"
    assert document["baselines"][0]["start"] == pytest.approx(math.log(3))
    assert document["baselines"][3]["value"] is None
    assert "| Best constant | Expected start |" in (tmp_path / "report.md").read_text()
    assert Comparison.load(tmp_path).to_dict() == comparison.to_dict()


def test_the_curves_have_a_dotted_line_in_the_colour_of_the_loss(comparison):
    loss, *others = comparison.plot().axes
    colours = {line.get_label(): line.get_color() for line in loss.lines}
    for one in ("CrossEntropy", "SquaredError"):
        (dotted,) = [drawn for drawn in loss.collections if drawn.get_label() == f"{one}: best constant"]
        assert dotted.get_segments()[0][:, 1].tolist() == [comparison.constant(one).value] * 2
        assert to_hex(dotted.get_color()[0]) == to_hex(colours[one])
    assert not any("best constant" in drawn.get_label() for ax in others for drawn in ax.collections)
    assert "dotted: best constant output" in comparison.plot().get_supxlabel()


@pytest.mark.parametrize("rate", [1e-9, 0.05])
def test_a_loss_that_never_beats_a_constant_is_told(rate):
    comparison = amiss.compare(["mse"], **{**TINY, "epochs": 8}, learning_rate=rate)
    told = [note for note in comparison.notes() if "never came below" in note]
    assert len(told) == (rate == 1e-9)
    assert all(note.startswith("SquaredError, seed") and " below 0.222, " in note for note in told)


def test_a_loss_of_a_batch_is_not_judged_by_the_whole():
    comparison = amiss.compare(["dice"], **TINY, learning_rate=1e-9)
    assert comparison.constants[0].batches
    assert not any("never came below" in note for note in comparison.notes())


# --- folders of before -------------------------------------------------------------------------------------
def without_baselines(folder):
    document = json.loads((folder / "results.json").read_text())
    del document["baselines"]
    for row in document["summary"]:
        del row["baseline_own_units"], row["start_own_units"]
    (folder / "results.json").write_text(json.dumps(document))


def test_an_older_folder_is_shown_without(comparison, tmp_path):
    comparison.save(tmp_path)
    without_baselines(tmp_path)
    older = Comparison.load(tmp_path)
    assert older.constants == ()
    assert "Best constant" not in older.table(120)
    assert "dotted" not in older.plot().get_supxlabel()


def test_an_older_folder_is_resumed_with(tmp_path):
    whole = amiss.compare(["ce", "mse"], **TINY, out=tmp_path)
    without_baselines(tmp_path)
    assert without_times(amiss.compare(resume=tmp_path)) == without_times(whole)
    assert Comparison.load(tmp_path).constants == whole.constants
