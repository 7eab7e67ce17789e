"""The example of two processes learns what it says."""

import re

from running_examples import printed_by


def test_the_example_learns(tmp_path):
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    printed = printed_by("ddp", tmp_path, *torchrun)
    found = re.search(r"train loss ([\d.]+), test accuracy ([\d.]+)", printed)
    assert float(found.group(1)) < 0.3
    assert float(found.group(2)) > 0.85
