"""Run an example as its reader does."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def printed_by(name, folder, *options, **environment):
    """Return what an example prints in a folder; options go to Python. A failure shows what it said."""
    found = subprocess.run(
        [sys.executable, *options, EXAMPLES / f"{name}.py"],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert found.returncode == 0, found.stderr[-4000:]
    assert "Traceback" not in found.stderr
    return found.stdout
