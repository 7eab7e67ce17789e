"""The example trains on every backend of Keras."""

import re

import pytest
from running_examples import printed_by


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_example_learns_the_digits(backend, tmp_path):
    printed = printed_by("keras_digits", tmp_path, KERAS_BACKEND=backend)
    found = re.fullmatch(rf"{backend}: accuracy (\S+), cross-entropy (\S+), (.*)\n", printed)
    assert float(found[1]) > 0.93
    assert 0.1 < float(found[2]) < 0.35
    assert "label_smoothing=0.05" in found[3]  # the saved model came back with all parameters
