"""Handwritten digits on two processes with unequal shares; the gradient is that of one process with all rows.

Run it with: torchrun --nproc-per-node 2 examples/ddp.py
"""

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch.nn.parallel import DistributedDataParallel

import amiss.torch

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
x, y = torch.from_numpy(x.astype("float32") / 16), torch.from_numpy(y)
share = slice(0, 1300) if rank == 0 else slice(1300, 1400)  # the rest is for the test

model = DistributedDataParallel(torch.nn.Linear(64, 10))
criterion = amiss.torch.CrossEntropyLoss(weight=1 + torch.arange(10) / 10)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

for _ in range(100):
    batch = torch.randperm(len(y[share]))[: 65 if rank == 0 else 5]
    target = y[share][batch]
    optimizer.zero_grad()
    normalizer = amiss.torch.global_normalizer(criterion, target)  # the weights of both shares, over 2
    criterion(model(x[share][batch]), target, normalizer=normalizer).backward()
    optimizer.step()

with torch.no_grad():
    total = criterion.loss.total(model(x[share]), y[share]).all_reduce()  # of both shares, exactly
    accuracy = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
if rank == 0:
    print(f"train loss {total.mean:.3f}, test accuracy {accuracy:.3f}")
dist.destroy_process_group()
