"""The example trains on every backend of Keras."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "keras_digits.py"


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_example_learns_the_digits(backend, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(rf"{backend}: accuracy (\S+), cross-entropy (\S+), (.*)\n", done.stdout)
    assert float(found[1]) > 0.93
    assert 0.1 < float(found[2]) < 0.35
    assert "label_smoothing=0.05" in found[3]  # the saved model came back with all parameters
