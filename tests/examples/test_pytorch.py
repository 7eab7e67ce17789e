"""The example of the plain loop of PyTorch learns what it says."""

import re

from running_examples import printed_by


def test_the_example_learns(tmp_path):
    accuracy = float(re.search(r"test accuracy ([\d.]+)", printed_by("pytorch", tmp_path)).group(1))
    assert accuracy > 0.95
