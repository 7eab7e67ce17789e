"""The benchmark measures what it says: who computes the same, who is faster, and what is below its target."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench import classes, elementwise, report
from bench.cases import Contestant, Ready, Targets
from bench.measure import Plan, prepare, run

ROOT = Path(__file__).resolve().parent.parent
PLAN = Plan(repeats=3, threads=1, triad=1e10)
TINY = elementwise.HUBER.case(64, "float32", Targets(best=1.3, eager=2.5))
QUANTITIES = ("median", "low", "high")


def among(case, *contestants):
    """Return a case of amiss on NumPy and some others."""
    return replace(case, contestants=(*case.contestants[:2], *contestants))


def peer(name, call):
    return Contestant(name, lambda inputs: Ready(lambda: call(inputs)))


def slowly(inputs):
    time.sleep(0.005)
    return honest(inputs)


def honest(inputs):
    return elementwise.HUBER.loss.value_and_gradient(inputs.prediction, inputs.target)


def doubled(inputs):
    value, gradient = honest(inputs)
    return value, 2 * gradient


def test_a_faster_peer_is_lost():
    kept = []

    def known(inputs):
        kept[:] = kept or [honest(inputs)]
        return kept[0]

    case = among(TINY, peer("fast", known), peer("slow", slowly))
    result = run(case, PLAN)
    rows = result["contestants"]
    assert rows["fast"]["lost"] is True
    assert rows["fast"]["ratio"]["median"] < 1 < rows["slow"]["ratio"]["median"]
    assert rows["slow"]["lost"] is False
    assert [miss["contestant"] for miss in result["below_target"]] == ["fast"]
    found = report.summary([result])
    assert [each["contestant"] for each in found["lost"]] == ["fast"]
    assert any("fast" in line and "LOST" in line for line in report.table(result))
    assert any(line.strip().startswith(f"{case.name}: fast") for line in report.tail(found))


def test_a_peer_that_computes_something_else_is_an_error_and_is_not_timed():
    result = run(among(TINY, peer("half", doubled)), PLAN)
    row = result["contestants"]["half"]
    assert row["status"].startswith("wrong: gradient")
    assert "seconds" not in row
    assert [each["contestant"] for each in report.summary([result])["errors"]] == ["half"]


def test_a_missing_peer_is_named():
    absent = Contestant("absent", lambda inputs: None, needs=("no_such_module",))
    result = run(among(TINY, absent), PLAN)
    (found,) = report.summary([result])["absent"]
    assert found["contestant"] == "absent"
    assert "no_such_module" in found["why"]


def test_a_target_in_seconds_or_in_bandwidth_can_be_missed():
    case = replace(among(TINY), targets=Targets(seconds=1e-9, triad=0.99))
    found = run(case, PLAN)["below_target"]
    assert {miss["target"] for miss in found} == {"seconds", "share of triad"}


@pytest.mark.parametrize(
    "case",
    [
        elementwise.BINARY.case(64, "float32", Targets()),
        elementwise.BINARY.hessian_case(64, "float32", elementwise.hessians(), Targets()),
        classes.cross_entropy(16, 5),
    ],
    ids=lambda case: case.name,
)
def test_all_contestants_compute_the_same(case):
    # Keras is left out, whose backend another test of this process may have fixed; compilation takes seconds.
    quick = [each for each in case.contestants if "keras" not in each.needs and each.name != "torch.compile"]
    _, rows = prepare(case, quick, case.inputs())
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys(rows, "timed")
    assert len(rows) >= 8


def test_the_truth_tells_one_ulp():
    inputs = TINY.inputs()
    truth = TINY.truth(inputs)[1]
    exact = truth.high[truth.index].astype(np.float32)
    off = exact.copy()
    off[7] = np.nextafter(off[7], np.float32(np.inf))
    assert truth.compare(exact, "float32")[1] <= 0.5
    assert 0.5 <= truth.compare(off, "float32")[1] <= 1.5


def test_the_command_writes_its_document(tmp_path):
    file = tmp_path / "times.json"
    command = [sys.executable, "-m", "bench", "--quick", "--repeats", "2", "--json", str(file)]
    command += ["--case", "call/*/value+gradient/*", "--peers", "NumPy"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    document = json.loads(file.read_text())
    assert document["schema_version"] == report.SCHEMA_VERSION
    assert document.keys() == {"schema_version", "machine", "plan", "cases", "summary"}
    assert document["machine"]["versions"]["numpy"] == np.__version__
    assert document["machine"]["triad"]["bytes_per_second"] > 0
    (case,) = document["cases"]
    assert case["contestants"].keys() == {"amiss", "NumPy"}
    for row in case["contestants"].values():
        assert row["status"] == "timed"
        assert len(row["samples"]) == row["repeats"] == 2
        assert tuple(row["seconds"]) == QUANTITIES
        assert row["errors"].keys() == {"value", "gradient"}
    assert tuple(case["contestants"]["NumPy"]["ratio"]) == QUANTITIES
    assert "LOST" in ran.stdout
    assert case["name"] in ran.stderr


def test_few_repeats_must_be_asked_for_as_quick():
    command = [sys.executable, "-m", "bench", "--repeats", "3"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "--quick" in ran.stderr
