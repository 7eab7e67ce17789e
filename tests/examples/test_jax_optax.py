"""The example trains with JAX and optax."""

import re

from running_examples import printed_by


def test_the_example_learns_the_digits(tmp_path):
    found = re.fullmatch(r"accuracy (\S+), cross-entropy (\S+)\n", printed_by("jax_optax", tmp_path))
    assert float(found[1]) > 0.93
    assert 0.1 < float(found[2]) < 0.35
