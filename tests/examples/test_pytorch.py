"""The example of the plain loop of PyTorch learns what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "pytorch.py"


def run_example(folder):
    """Return what the example prints, with nothing that is wrong."""
    found = subprocess.run(
        [sys.executable, EXAMPLE],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert found.returncode == 0, found.stderr[-4000:]
    return found.stdout


def test_the_example_learns(tmp_path):
    accuracy = float(re.search(r"test accuracy ([\d.]+)", run_example(tmp_path)).group(1))
    assert accuracy > 0.95
