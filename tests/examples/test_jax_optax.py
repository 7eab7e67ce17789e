"""The example trains with JAX and optax."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "jax_optax.py"


def test_the_example_learns_the_digits():
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"accuracy (\S+), cross-entropy (\S+)\n", done.stdout)
    assert float(found[1]) > 0.93
    assert 0.1 < float(found[2]) < 0.35
