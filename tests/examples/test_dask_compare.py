"""The example of a comparison on a Dask cluster runs, and its numbers are those of one process."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "dask_compare.py"


def test_dask_compare():
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "the same as in one process: True" in done.stdout
    accuracy = dict(re.findall(r"^(\w+) +(\d+\.\d) ±", done.stdout, re.MULTILINE))
    assert set(accuracy) == {"CrossEntropy", "SquaredError", "Hinge"}
    assert float(accuracy["CrossEntropy"]) > 85.0
