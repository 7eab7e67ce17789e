"""The house is in order: style, types, floors, and examples that run."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import amiss

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(amiss.__path__, "amiss.")
    if not module.name.endswith("_compiled")  # compiled code has no examples
)


def run(tool, *arguments):
    command = [Path(sys.executable).with_name(tool), *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_style_is_clean():
    run("ruff", "check", ".")


def test_format_is_clean():
    run("ruff", "format", "--check", ".")


def test_types_are_right():
    run("mypy")


def test_floors_only_import_downwards():
    run("lint-imports")


@pytest.mark.parametrize("name", ["amiss", *MODULES])
def test_examples_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
