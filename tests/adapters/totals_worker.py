"""What each process of `test_totals_over_ranks` runs; process 0 writes what was found to a file.

The rows of each process are few or many, all ignored on process 1, and none on process 2.
"""

import contextlib
import datetime
import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import amiss
import amiss.torch

SIZES = [(7, 2, 4), (3, 1, 2), (0, 0, 0), (1, 5, 3)]
"""The rows of each micro-batch, by process."""

CLASSES = 3
LOSSES = {
    "cross-entropy": amiss.CrossEntropy(ignore_index=-100),
    "cross-entropy of weighted classes": amiss.CrossEntropy(
        ignore_index=-100, class_weight=(0.3, 2.0, 1.1), label_smoothing=0.1
    ),
    "huber": amiss.Huber(0.5),
    "binary": amiss.BinaryCrossEntropy(positive_weight=2.0),
}


def draw(loss, rank, dtype):
    """Return the micro-batches of a process: inputs, targets, weights."""
    generator = torch.Generator().manual_seed(rank)
    found = []
    for size in SIZES[rank]:
        x = torch.randn(size, 4, generator=generator, dtype=dtype)
        weight = torch.rand(size, generator=generator, dtype=dtype) + 0.5
        if isinstance(loss, amiss.CrossEntropy):
            y = torch.randint(CLASSES, (size,), generator=generator)
            y[::2] = -100
            if rank == 1:
                y[:] = -100
        else:
            y = torch.rand(size, CLASSES, generator=generator, dtype=dtype).round()
            weight = torch.zeros_like(weight) if rank == 1 else weight
        found.append((x, y, weight))
    return found


def model(dtype):
    torch.manual_seed(0)
    layers = torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, CLASSES)
    return torch.nn.Sequential(*layers).to(dtype)


def gradient(module):
    parts = [
        getattr(weight.grad, "full_tensor", lambda weight=weight: weight.grad)()
        for weight in module.parameters()
    ]
    return torch.cat([part.flatten() for part in parts])


def expected(loss, dtype, weighted, batches=None):
    """Return the gradient of one process that has all rows, of all micro-batches or of the first ones."""
    rows = [batch for rank in range(dist.get_world_size()) for batch in draw(loss, rank, dtype)[:batches]]
    x, y, weight = (torch.cat(parts) for parts in zip(*rows, strict=True))
    alone = model(dtype)
    value = loss(alone(x), y, weight if weighted else None)
    value.backward()
    return gradient(alone)


def off(found, truth):
    return ((found - truth).abs().max() / truth.abs().max()).item()


def by_ddp(loss, dtype, weighted, divisor=amiss.torch.global_normalizer):
    """Return the gradient of DistributedDataParallel over the micro-batches of all processes."""
    batches = draw(loss, dist.get_rank(), dtype)
    parallel = DistributedDataParallel(model(dtype))
    normalizer = divisor(loss, [y for _, y, _ in batches], [w for _, _, w in batches] if weighted else None)
    for index, (x, y, weight) in enumerate(batches):
        last = index == len(batches) - 1
        with contextlib.nullcontext() if last else parallel.no_sync():
            loss(parallel(x), y, weight if weighted else None, normalizer=normalizer).backward()
    return gradient(parallel)


def by_fsdp(loss, dtype, weighted):
    """Return the gradient of FSDP over one batch in each process."""
    (x, y, weight), *_ = draw(loss, dist.get_rank(), dtype)
    sharded = fully_shard(
        model(dtype), mesh=dist.device_mesh.init_device_mesh("cpu", (dist.get_world_size(),))
    )
    given = weight if weighted else None
    normalizer = amiss.torch.global_normalizer(loss, y, given)
    loss(sharded(x), y, given, normalizer=normalizer).backward()
    return gradient(sharded)


def by_hand(loss, dtype, weighted):
    """Return the gradient where the gradients of the processes are summed, not averaged."""
    alone, batches = model(dtype), draw(loss, dist.get_rank(), dtype)
    targets, weights = [y for _, y, _ in batches], [w for _, _, w in batches] if weighted else None
    normalizer = amiss.torch.global_normalizer(loss, targets, weights, averaged=False)
    for x, y, weight in batches:
        loss(alone(x), y, weight if weighted else None, normalizer=normalizer).backward()
    whole = gradient(alone)
    dist.all_reduce(whole)
    return whole


def in_a_group(loss, group):
    """Return the divisor of the processes 0 and 1 alone."""
    return amiss.torch.global_normalizer(loss, torch.zeros(dist.get_rank() + 1, 3), group=group).item()


def of_means(loss, targets, weights):
    """Return the divisor of a process that knows of no other: its gradient is a mean of means."""
    weights = [None] * len(targets) if weights is None else weights
    own = sum(loss.total_weight(y, w) for y, w in zip(targets, weights, strict=True))
    return torch.clamp(own, min=1.0)


def report(loss, convert=torch.Tensor.clone, dtype=torch.float64):
    """Return the mean of all rows, from totals and from one process that has them all."""
    batches = draw(amiss.Huber(), dist.get_rank(), dtype)
    total = sum(loss.total(convert(x[:, :CLASSES]), convert(y)) for x, y, _ in batches)
    rows = [batch for rank in range(dist.get_world_size()) for batch in draw(amiss.Huber(), rank, dtype)]
    x, y, _ = (torch.cat(parts) for parts in zip(*rows, strict=True))
    reduced = total.all_reduce()
    assert isinstance(reduced.mean, torch.Tensor) == (convert is torch.Tensor.clone)
    return [float(reduced.mean), float(loss(x[:, :CLASSES], y))]


def nothing():
    """Return the loss and the largest gradient of a step in which no process has a label."""
    parallel, loss = DistributedDataParallel(model(torch.float32)), LOSSES["cross-entropy"]
    y = torch.full((2,), -100)
    value = loss(parallel(torch.ones(2, 4)), y, normalizer=amiss.torch.global_normalizer(loss, y))
    value.backward()
    return [str(value.item()), gradient(parallel).abs().max().item()]


def main(path):
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=60))
    torch.set_num_threads(1)
    found = {"ddp": {}, "fsdp": {}, "by hand": {}, "mean of means": {}}
    for name, loss in LOSSES.items():
        for dtype in (torch.float32, torch.float64):
            for weighted in (False, True):
                key = f"{name}, {str(dtype)[6:]}, {'weighted' if weighted else 'plain'}"
                truth = expected(loss, dtype, weighted)
                found["ddp"][key] = off(by_ddp(loss, dtype, weighted), truth)
                found["by hand"][key] = off(by_hand(loss, dtype, weighted), truth)
                found["mean of means"][key] = off(by_ddp(loss, dtype, weighted, of_means), truth)
        truth = expected(loss, torch.float64, True, batches=1)
        found["fsdp"][name] = off(by_fsdp(loss, torch.float64, True), truth)
    group = dist.new_group([0, 1])
    if dist.get_rank() < 2:
        found["group"] = in_a_group(amiss.SquaredError(), group)
    combined = 0.5 * amiss.SquaredError() + 2 * amiss.RootMeanSquaredError()
    found["report"] = {
        repr(loss): report(loss) for loss in (amiss.Huber(), amiss.RootMeanSquaredError(), combined)
    }
    found["report"]["of NumPy arrays"] = report(amiss.Huber(), torch.Tensor.numpy)
    found["nothing"] = nothing()
    if dist.get_rank() == 0:
        Path(path).write_text(json.dumps(found))
    dist.destroy_process_group()
    # DistributedDataParallel keeps gloo's threads beyond this line. One that lets go of a finished gradient
    # while Python ends itself aborts the process (pytorch/pytorch#179291), so Python is not asked to.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
