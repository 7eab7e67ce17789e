"""Every claim about `amiss.keras` on each backend of Keras, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).with_name("keras_checks.py")


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_check_holds_on_the_backend(backend):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", CHECKS],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "PYTHONPATH": str(CHECKS.parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) > 30
    assert {check: failure for check, failure in found.items() if failure} == {}


def test_without_keras_the_extra_is_named():
    code = "import sys; sys.modules['keras'] = None; import amiss.keras"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "BackendError: amiss.keras: Keras and its backend must be installed; keras is not." in done.stderr
    assert 'pip install "amiss[keras]"' in done.stderr
