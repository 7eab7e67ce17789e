"""`amiss parity`: a table, one sentence, and an exit code that says whether something differs."""

import json
import sys

import numpy as np
import pytest

from amiss.cli import main
from amiss.network import Dense, Network


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def parity(capsys):
    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(["parity", *words])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


def exported(**changed):
    """Write what somebody's code computed in one step into mine.npz; return it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)), np.array([0, 2, 1, 1, 2, 0])
    W1, b1, W2, b2 = rng.normal(size=(4, 3)), np.zeros((1, 3)), rng.normal(size=(3, 3)), np.zeros((1, 3))
    a1 = np.maximum(x @ W1 + b1, 0)
    output = a1 @ W2 + b2
    p = np.exp(output) / np.exp(output).sum(1, keepdims=True)
    loss, delta2 = -np.log(p[range(6), y]).mean(), (p - np.eye(3)[y]) / 6
    found = {"x": x, "y": y, "W1": W1, "b1": b1, "W2": W2, "b2": b2, "output": output, "loss": loss}
    found |= {"delta2": delta2, "dW2": a1.T @ delta2}
    found |= {name: change(found[name]) for name, change in changed.items()}
    np.savez("mine.npz", **found)
    return found


def test_without_arguments_all_frameworks_agree_on_iris(parity):
    code, out, _ = parity()
    assert code == 0
    assert "4 -> 3 tanh -> 3 identity; CrossEntropy(); SGD(learning_rate=0.1); 114 rows" in out
    assert "numpy, torch, keras and jax agree in all 17 quantities." in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_framework_that_is_not_installed_is_named(parity, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    code, out, _ = parity()
    assert code == 0
    assert 'pip install keras "amiss[tensorflow]"' in " ".join(out.split())
    assert "numpy, torch and jax agree" in out


@pytest.mark.parametrize(
    "words", [["--framework", "torch", "--framework", "jax"], ["--framework", "torch,jax"]]
)
def test_frameworks_are_chosen_twice_or_with_a_comma(parity, words):
    code, out, _ = parity(*words)
    assert code == 0
    assert "numpy, torch and jax agree" in out


@pytest.mark.parametrize(
    "words",
    [
        ["--loss", "mse", "--layers", "4-8:relu-3:sigmoid"],
        ["--loss", "bce"],
        ["--loss", "hinge", "--data", "wine"],
        ["--loss", "huber(delta=0.5)", "--data", "diabetes"],
        ["--optimizer", "adam", "--lr", "0.01"],
        ["--dtype", "float32", "--seed", "3"],
    ],
    ids=" ".join,
)
def test_other_losses_data_and_optimisers(parity, words):
    code, out, _ = parity("--framework", "torch", *words)
    assert code == 0
    assert "numpy and torch agree in all 17 quantities." in out


def test_what_ones_own_code_computed_agrees(parity):
    exported()
    code, out, _ = parity("--theirs", "mine.npz", "--layers", "4-3:relu-3")
    assert code == 0
    assert "numpy and theirs agree" in out


def test_a_gradient_that_is_not_averaged_is_found(parity):
    exported(dW2=lambda dW2: 6 * dW2)
    code, out, _ = parity("--theirs", "mine.npz", "--layers", "4-3:relu-3")
    assert code == 1
    assert "dL/dW2 in theirs is 6 times that in numpy (= N, N = 6 rows)" in " ".join(out.split())


def test_the_json_document_says_the_same(parity):
    exported(dW2=lambda dW2: 6 * dW2)
    code, out, _ = parity("--theirs", "mine.npz", "--layers", "4-3:relu-3", "--json")
    document = json.loads(out)
    assert code == 1
    assert (document["schema_version"], document["agrees"]) == (1, False)
    assert document["first"]["quantity"] == "dW2"
    assert document["first"]["factor"] == pytest.approx(6.0)
    assert document["first"]["factor_name"] == "N, N = 6 rows"


def test_exported_weights_by_name_by_order_and_of_a_network(parity):
    found = exported()
    weights = [found[name] for name in ("W1", "b1", "W2", "b2")]
    np.savez("ordered.npz", *weights)
    np.savez("data.npz", x=found["x"], y=found["y"])
    network = Network([Dense(4, 3, "relu"), Dense(3, 3)], dtype="float64")
    network.weights = [w.reshape(-1) if len(w) == 1 else w for w in weights]
    network.save("saved.npz")
    np.savez("output.npz", output=found["output"])
    for file in ("mine.npz", "ordered.npz", "saved.npz"):
        layers = [] if file == "saved.npz" else ["--layers", "4-3:relu-3"]
        code, out, _ = parity("--weights", file, "--data", "data.npz", "--theirs", "output.npz", *layers)
        assert code == 0, out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--framework", "toch"], "Did you mean 'torch'"),
        (["--framework", "numpy"], "another one than numpy"),
        (["--theirs", "mine.npz"], "--layers must be given"),
        (["--theirs", "mine.npz", "--layers", "4-5:relu-3"], "widths of the weights, [4, 3, 3]"),
        (["--theirs", "loss.npz", "--data", "mine.npz", "--layers", "4-3-3"], "--weights must be given"),
        (["--weights", "turned.npz", "--layers", "4-3-3"], "export weight.T"),
        (["--weights", "loss.npz", "--layers", "4-3-3"], "--weights must hold W1"),
        (["--data", "loss.npz"], "--data must hold x and y"),
        (["--theirs", "broken.npz"], "it is no zip archive"),
        (["--layers", "4-a"], "widths from input to output"),
        (["--layers", "4-3:rel-3", "--framework", "torch"], "Did you mean 'relu'"),
        (["--layers", "5-3", "--framework", "torch"], "(items, 5)"),
        (["--lr", "-1", "--framework", "torch"], "positive"),
        (["--data", "irs"], "Did you mean 'iris'"),
        (["--loss", "mse", "--layers", "4-2", "--framework", "torch"], "classes from 0 to 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_one_line_on_stderr(parity, words, says):
    found = exported()
    np.savez("loss.npz", loss=found["loss"])
    np.savez("turned.npz", found["W1"].T, found["b1"], found["W2"])
    with open("broken.npz", "w") as file:
        file.write("nothing")
    code, out, err = parity(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
