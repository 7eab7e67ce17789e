"""The example of the Trainer of Hugging Face learns what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hugging_face.py"


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
    before, after = re.search(
        r"nats per letter: ([\d.]+) before, ([\d.]+) after", run_example(tmp_path)
    ).groups()
    assert float(before) > 4.8
    assert float(after) < 2.8
