"""The gradient of many processes and micro-batches is that of one process that has all rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import amiss
import amiss.torch

WORKER = Path(__file__).with_name("totals_worker.py")
BOUND = {"float32": 1e-6, "float64": 1e-12}


@pytest.fixture(scope="module", params=[2, 4], ids=["2 processes", "4 processes"])
def found(request, tmp_path_factory):
    """Return what the processes found; they are started once."""
    path = tmp_path_factory.mktemp("totals") / "found.json"
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={request.param}"]
    result = subprocess.run(
        [sys.executable, *start, WORKER, path],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return json.loads(path.read_text())


def test_the_gradient_under_ddp_with_accumulation_is_that_of_one_process(found):
    assert len(found["ddp"]) == 16
    for case, off in found["ddp"].items():
        assert off < BOUND[case.split(", ")[1]], case


def test_the_gradient_under_fsdp_is_that_of_one_process(found):
    assert len(found["fsdp"]) == 4
    assert max(found["fsdp"].values()) < 1e-12


def test_the_sum_of_gradients_of_processes_is_that_of_one_process(found):
    assert len(found["by hand"]) == 16
    for case, off in found["by hand"].items():
        assert off < BOUND[case.split(", ")[1]], case


def test_the_mean_of_means_is_another_gradient(found):
    # So that the tests above could fail: the processes hold very different rows.
    assert min(found["mean of means"].values()) > 0.05


def test_totals_of_all_processes_have_the_mean_of_all_rows(found):
    assert len(found["report"]) == 4
    for mean, whole in found["report"].values():
        assert mean == pytest.approx(whole, rel=1e-14)


def test_a_group_of_processes_counts_its_own(found):
    assert found["group"] == 3 * (1 + 2) / 2  # three numbers for each of 1 and 2 rows, on two processes


def test_a_step_without_any_label_is_nan_with_a_gradient_of_0(found):
    assert found["nothing"] == ["nan", 0.0]


# --- one process -------------------------------------------------------------------------------------------
def test_a_total_alone_is_the_same_total():
    loss = amiss.AbsoluteError()
    total = loss.total(torch.tensor([3.0], requires_grad=True), torch.tensor([1.0]))
    assert total.all_reduce() == total
    for other in (amiss.RootMeanSquaredError(), loss + amiss.SquaredError()):
        total = other.total([3.0], [1.0])
        assert total.all_reduce() == total


def test_a_module_and_its_loss_have_one_normalizer():
    target, weight = torch.tensor([0, 1, -100]), torch.tensor([2.0, 1.0, 5.0])
    criterion = amiss.torch.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))
    assert amiss.torch.global_normalizer(criterion, target, weight) == 2.0 * 1.0 + 1.0 * 3.0
    criterion.weight[0] = 10.0
    assert amiss.torch.global_normalizer(criterion, target, weight) == 2.0 * 10.0 + 1.0 * 3.0
    assert amiss.torch.global_normalizer(amiss.torch.Huber(), torch.zeros(3, 2)) == 6.0


def test_whole_numbers_count_exactly():
    # 2^24 + 1 is no number of float32.
    loss = amiss.CrossEntropy(ignore_index=-100)
    assert amiss.torch.global_normalizer(loss, torch.zeros(2**24 + 1, dtype=torch.int8)).item() == 2**24 + 1


def test_a_process_without_any_batch_counts_nothing():
    assert amiss.torch.global_normalizer(amiss.Huber(), []) == 0.0


@pytest.mark.parametrize(
    ("targets", "weights"),
    [([torch.zeros(2)] * 2, [torch.ones(2)]), ([torch.zeros(2)] * 2, torch.ones(2))],
    ids=["too few", "one tensor"],
)
def test_targets_and_weights_are_paired(targets, weights):
    with pytest.raises(amiss.ShapeError, match="weight must be a list with one for each of 2 targets"):
        amiss.torch.global_normalizer(amiss.Huber(), targets, weights)


def test_accelerate_divides_a_loss_by_its_number_of_micro_batches():
    from accelerate import Accelerator

    one = torch.tensor(1.0, requires_grad=True)
    Accelerator(gradient_accumulation_steps=4, cpu=True).backward(1.0 * one)
    assert one.grad == 0.25


def test_several_losses_have_no_divisor_in_common():
    with pytest.raises(amiss.ParameterError, match="Ask the terms"):
        amiss.torch.global_normalizer(amiss.Huber() + amiss.SquaredError(), torch.zeros(2))
