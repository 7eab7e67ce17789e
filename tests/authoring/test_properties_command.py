"""`amiss properties`: a table that is read without colour, witnesses below it, and an exit code."""

import json

import pytest

from amiss.authoring import properties as module
from amiss.cli import main
from amiss.core import Facts
from amiss.losses import SquaredError


@pytest.fixture
def amiss(capsys, monkeypatch):
    def run(*words, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("NO_COLOR", "1")
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


def test_the_table_and_the_witness(amiss):
    code, out, err = amiss("properties", "mae")
    assert (code, err) == (0, "")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "AbsoluteError()"
    assert "differentiable      NO     the gradient jumps" in lines
    assert "convex              yes    no chord lies below the curve" in lines
    words = " ".join(lines)
    assert (
        "not differentiable: at prediction = target = 0 the slope is -1 to the left and +1 to the right."
        in words
    )
    assert "Checked numerically at" in words


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_it_fits_the_terminal(amiss, columns):
    _, out, _ = amiss("properties", "ce", columns=columns)
    assert max(map(len, out.splitlines())) <= columns
    assert "…" not in out


def test_an_expression(amiss):
    code, out, _ = amiss("properties", "sqrt((prediction-target)**2 + eps**2) - eps, eps=1e-3")
    assert code == 0
    assert "the largest curvature met is 1000" in out


def test_one_json_document(amiss):
    code, out, _ = amiss("properties", "hinge", "--json")
    document = json.loads(out)
    assert (code, document["schema_version"], document["findings"]) == (0, 1, [])
    found = {one["name"]: one for one in document["properties"]}
    assert found["convex"]["holds"] is True
    assert found["differentiable"]["witness"]["numbers"] == {"left": -1.0, "right": 0.0}


def test_a_claim_that_a_witness_contradicts_is_exit_code_1(amiss, monkeypatch):
    false = property(
        lambda loss: Facts(convex=True, minimiser="mean", lipschitz=1.0, smoothness=2.0, symmetric=True)
    )
    monkeypatch.setattr(SquaredError, "facts", false)
    code, out, _ = amiss("properties", "mse")
    assert code == 1
    assert "FINDING: the loss claims of 'Lipschitz': 1.0. The gradient has no bound." in " ".join(out.split())


def test_a_misspelt_name_is_one_line_and_exit_code_2(amiss):
    code, out, err = amiss("properties", "hubr")
    assert (code, out) == (2, "")
    assert "Did you mean 'huber'?" in err
    assert "Traceback" not in err


def test_the_basis_is_said_with_its_numbers(amiss):
    _, out, _ = amiss("properties", "mse", "--json")
    points = json.loads(out)["points"]
    _, out, _ = amiss("properties", "mse")
    assert f"{points:,} points, to {module.TOLERANCE:g}" in " ".join(out.split())
