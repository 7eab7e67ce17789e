"""The example of Lightning learns what it says."""

import re

from running_examples import printed_by


def test_the_example_learns(tmp_path):
    accuracy = float(re.search(r"test accuracy ([\d.]+)", printed_by("lightning_module", tmp_path)).group(1))
    assert accuracy > 0.93
