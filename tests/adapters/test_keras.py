"""Every claim about `amiss.keras` on each backend of Keras: one runs here, the others in their processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from adapters import keras_checks

BACKENDS = ("tensorflow", "jax", "torch")


@pytest.fixture(scope="module")
def failures():
    """Return a function from a backend and a check to what fails in it."""
    here, found = keras_checks.keras.backend.backend(), {}

    def of(backend, check):
        if backend == here:
            return keras_checks.failure(check)
        if backend not in found:
            found[backend] = elsewhere(backend)
        return found[backend][check]

    return of


def elsewhere(backend):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", Path(keras_checks.__file__)],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "PYTHONPATH": str(Path(keras_checks.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("check", keras_checks.CHECKS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_holds(failures, backend, check):
    assert failures(backend, check) == ""


def test_without_keras_the_extra_is_named():
    code = "import sys; sys.modules['keras'] = None; import amiss.keras"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "BackendError: amiss.keras: Keras and its backend must be installed; keras is not." in done.stderr
    assert 'pip install "amiss[keras]"' in done.stderr
