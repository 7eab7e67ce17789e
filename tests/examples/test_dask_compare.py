"""The example of a comparison on a Dask cluster runs, and its numbers are those of one process."""

import re

from running_examples import printed_by


def test_dask_compare(tmp_path):
    printed = printed_by("dask_compare", tmp_path)
    assert "the same as in one process: True" in printed
    accuracy = dict(re.findall(r"^(\w+) +(\d+\.\d) ±", printed, re.MULTILINE))
    assert set(accuracy) == {"CrossEntropy", "SquaredError", "Hinge"}
    assert float(accuracy["CrossEntropy"]) > 85.0
