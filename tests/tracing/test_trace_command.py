"""`amiss trace`: its text, its files, its exit codes."""

import json

import numpy as np
import pytest

from amiss.cli import main
from amiss.network import Dense, Network


@pytest.fixture
def run(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as left:
            main(["trace", *arguments])
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    return call


def test_by_default_iris_and_cross_entropy(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    assert "through a 4-3-3 network (sigmoid, identity)\nloss: CrossEntropy; 6 rows" in out
    assert "HERE THE LOSS ENTERS, and nowhere else" in out


@pytest.mark.parametrize("loss", ["mse", "hinge", "bce", "bce(input='probabilities')", "dice", "0.5*mse+mae"])
def test_a_loss_gets_the_output_and_the_targets_it_takes(run, loss):
    code, out, _ = run("--loss", loss)
    assert code == 0
    assert "All 13 checks passed." in out or "All 12 checks passed." in out


def test_a_regression(run):
    code, out, _ = run("--data", "diabetes", "--loss", "huber")
    assert code == 0
    assert "a 10-3-1 network" in out


def test_swap_add_and_nudge_together(run):
    code, out, _ = run("--swap", "mse", "--add", "1000", "--nudge", "W2[0,1]+=0.1")
    assert code == 0
    assert "A CONSTANT: L + 1000" in out
    assert "A NUDGE: W2[0, 1] += 0.1" in out
    assert "beside it, after |: SquaredError" in out


def test_layers_and_activation(run):
    assert "a 4-5-2-3 network (tanh, tanh, identity)" in run("--layers", "4,5,2,3", "--activation", "tanh")[1]


def test_json_is_one_document(run):
    code, out, _ = run("--json", "--loss", "mse")
    document = json.loads(out)
    assert code == 0
    assert document["schema_version"] == 1
    assert document["loss"] == "SquaredError"


def test_markdown(run):
    assert run("--markdown")[1].startswith("### One step of backpropagation")


def test_all_rows(run):
    out = run("--rows", "all")[1]
    assert all(f"row {n}" in out for n in range(6))


def test_no_colour_where_there_is_no_terminal(run):
    assert "\x1b" not in run("--swap", "mse")[1]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_picture(run, tmp_path, kind):
    code, _, err = run("--plot", str(tmp_path / f"step.{kind}"))
    assert (code, err) == (0, f"Picture: {tmp_path / f'step.{kind}'}\n")
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind]
    assert (tmp_path / f"step.{kind}").read_bytes().startswith(start)


def test_a_saved_network(run, tmp_path):
    Network([Dense(4, 2, "relu"), Dense(2, 3)], seed=5).save(tmp_path / "mine.npz")
    code, out, _ = run("--model", str(tmp_path / "mine.npz"))
    assert code == 0
    assert "a 4-2-3 network (relu, identity)" in out


def test_a_failed_check_is_exit_code_1(run, monkeypatch):
    backward = Dense.backward

    def without_activation(layer, delta, x, a, out):
        backward(layer, delta, x, a, out)
        out[0][...], out[1][...] = x.T @ delta, np.sum(delta, axis=0)
        return delta

    monkeypatch.setattr(Dense, "backward", without_activation)
    code, out, _ = run()
    assert code == 1
    assert "WRONG: the first wrong step is da1/dz1" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--loss", "hubr"], "Did you mean 'huber'?"),
        (["--layers", "4,x,3"], "--layers must be widths from 4 inputs to 3 outputs, as in 4,3,3"),
        (["--layers", "3,3"], "--layers must be widths"),
        (["--activation", "gelu"], "activation must be one of"),
        (["--data", "irish"], "data must be one of"),
        (["--row", "6"], "row must be one of 0 .. 5"),
        (["--nudge", "W9[0,0]+=1"], "nudge must move one of"),
        (["--plot", "step.gif"], "must end in one of"),
        (["--batch-size", "0"], "--batch-size must be an integer of 1 or more"),
        (["--lr", "0"], "learning_rate must be positive"),
        (["--model", "none.npz"], "none.npz"),
        (["--loss", "Poisson"], "is for numbers"),
    ],
)
def test_a_mistake_is_exit_code_2_and_one_line(run, arguments, told):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


def test_help_has_examples(run):
    code, out, _ = run("--help")
    assert code == 0
    assert 'amiss trace --nudge "W2[0,1]+=0.1"' in out
