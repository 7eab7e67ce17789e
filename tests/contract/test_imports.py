"""`import amiss` loads no framework, and an array library only when an array of it arrives."""

import subprocess
import sys
from importlib.metadata import requires

import pytest

from amiss.arrays import array_libraries

HEAVY = (
    "torch",
    "jax",
    "tensorflow",
    "keras",
    "sympy",
    "mpmath",
    "matplotlib",
    "sklearn",
    "scipy",
    "pandas",
    "rich",
)


def run(program):
    """Run a program in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_after(program):
    """Return which heavy libraries a program loads."""
    return run(f"{program}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])").split()


def test_importing_amiss_loads_no_framework():
    assert loaded_after("import amiss") == []


def test_a_loss_of_numpy_arrays_loads_no_framework():
    program = (
        "import amiss\n"
        "for losses in amiss.catalogue().values():\n"
        "    for loss in losses:\n"
        "        loss().facts, repr(loss()), hash(loss())\n"
        "amiss.Huber().value_and_gradient([1.0], [0.0])\n"
        "amiss.CrossEntropy()([[0.0, 1.0]], [1])\n"
        "amiss.get('mse').total([1.0], [0.0]).mean"
    )
    assert loaded_after(program) == []


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_an_array_library_that_is_imported_later_is_found(library):
    make = {
        "torch": "torch.ones(2)",
        "jax": "jax.numpy.ones(2)",
        "tensorflow": "tensorflow.ones(2)",
    }[library]
    program = (
        "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'; os.environ['JAX_PLATFORMS'] = 'cpu'\n"
        "import amiss; loss = amiss.Huber(); loss([1.0], [0.0])\n"
        f"import {library}\n"
        f"x = {make}\n"
        "print(type(loss.gradient(x, x)) is type(x), float(loss(x, x - 1)))"
    )
    assert run(program).endswith("True 0.5")


def test_the_array_libraries_that_the_tests_ask_for_are_there():
    asked = {
        library
        for library in ("torch", "jax", "tensorflow")
        for need in requires("amiss") or []
        if need.startswith(library) and "extra" in need
    }
    assert {"numpy", *asked} == set(array_libraries()) == {"numpy", "torch", "jax", "tensorflow"}


def test_without_sympy_a_formula_names_the_extra():
    program = (
        "import sys; sys.modules['sympy'] = None\n"
        "import amiss\n"
        "try:\n"
        "    amiss.Huber().formula\n"
        "except amiss.BackendError as error:\n"
        "    print(error)"
    )
    assert 'pip install "amiss[symbolic]"' in run(program)


@pytest.mark.parametrize("library", ["torch", "jax", "tensorflow"])
def test_a_missing_array_library_hinders_no_other(library):
    program = f"import sys; sys.modules[{library!r}] = None\nimport amiss\nprint(amiss.Huber()([1.0], [0.0]))"
    assert run(program) == "0.5"
