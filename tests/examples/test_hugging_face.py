"""The example of the Trainer of Hugging Face learns what it says."""

import re

from running_examples import printed_by


def test_the_example_learns(tmp_path):
    before, after = re.search(
        r"nats per letter: ([\d.]+) before, ([\d.]+) after", printed_by("hugging_face", tmp_path)
    ).groups()
    assert float(before) > 4.8
    assert float(after) < 2.8
