"""The examples of the boosters learn what they say, and equal the built-in objectives."""

import re

import pytest
from running_examples import printed_by


def number(text, pattern):
    return float(re.search(pattern, text).group(1))


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost"])
def test_the_trees_are_those_of_the_built_in(name, tmp_path):
    text = printed_by(f"{name}_table", tmp_path, "-W", "error")
    assert list(tmp_path.iterdir()) == []
    assert number(text, r"largest difference from \S+: ([\d.e+-]+)") <= 1e-6
    if name == "xgboost":
        assert number(text, r"SquaredError: mean absolute error ([\d.]+)") < 50
        assert number(text, r"AbsoluteError: mean absolute error ([\d.]+)") < 55
        assert 0.8 < number(text, r"Pinball.*below the prediction ([\d.]+)") < 0.97
    elif name == "lightgbm":
        assert number(text, r"BinaryCrossEntropy: accuracy ([\d.]+)") > 0.92
        assert number(text, r"BinaryFocal: accuracy ([\d.]+)") > 0.92
    else:
        assert number(text, r"CrossEntropy: accuracy ([\d.]+)") > 0.9
        assert number(text, r"LogCosh: mean absolute error ([\d.]+)") < 0.65
