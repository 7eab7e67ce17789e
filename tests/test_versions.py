"""The page of frameworks states the versions that this run of the tests has."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "build_tools"))
import versions


def test_what_is_installed_is_what_is_pinned():
    assert versions.installed() == versions.pinned()


def test_the_page_states_what_is_installed():
    assert versions.PAGE.read_text(encoding="utf-8") == versions.page(versions.installed())


def test_every_framework_is_pinned_and_nothing_else():
    frameworks = """accelerate catboost distributed jax keras lightgbm lightning optax scikit-learn
        tensorflow-cpu torch transformers xgboost-cpu"""
    assert sorted(versions.pinned()) == frameworks.split()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Make the script work on copies."""
    for name in ("PAGE", "CONSTRAINTS"):
        copy = tmp_path / getattr(versions, name).name
        copy.write_text(getattr(versions, name).read_text(encoding="utf-8"), encoding="utf-8")
        monkeypatch.setattr(versions, name, copy)
    monkeypatch.setattr(sys, "argv", ["versions.py", "--check"])
    return tmp_path


def test_a_page_that_is_right_passes(elsewhere):
    assert versions.main() == 0


def test_a_page_out_of_date_is_seen_and_written_anew(elsewhere, monkeypatch, capsys):
    right = versions.PAGE.read_text(encoding="utf-8")
    versions.PAGE.write_text(right.replace("| torch | ", "| torch | 1."), encoding="utf-8")
    assert versions.main() == 1
    assert "docs/frameworks.md is out of date" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["versions.py"])
    assert versions.main() == 0
    assert versions.PAGE.read_text(encoding="utf-8") == right


def test_a_pin_of_another_version_is_seen(elsewhere, capsys):
    text = versions.CONSTRAINTS.read_text(encoding="utf-8")
    versions.CONSTRAINTS.write_text(text.replace("keras==", "keras==1."), encoding="utf-8")
    assert versions.main() == 1
    assert "pins other versions than are installed: keras" in capsys.readouterr().err
