"""The example of two processes learns what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ddp.py"


def run_example(folder):
    """Return what the example prints, with nothing that is wrong."""
    found = subprocess.run(
        [sys.executable, *["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", EXAMPLE]],
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
    found = re.search(r"train loss ([\d.]+), test accuracy ([\d.]+)", run_example(tmp_path))
    assert float(found.group(1)) < 0.3
    assert float(found.group(2)) > 0.85
