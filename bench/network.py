"""How long an epoch takes: `amiss.network` against PyTorch eager, on one machine, in one process.

Both train the same network from the same weights with Adam and softmax cross-entropy, each in an order of its
own; their epochs alternate, so that a busy machine disturbs all alike. PyTorch takes its batches by index,
without a DataLoader, and reads each step's loss, as `history["loss"]` does. Its fused Adam, which is not the
default, is shown beside it. A ratio above 1 means that PyTorch takes longer.

    python bench/network.py --rows 60000 --batch 32 128 512 --threads 1 2
"""

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import threadpoolctl
import torch

import amiss
from amiss.network import Adam, Dense, Network

PIXELS, CLASSES = 784, 10


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def images(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic images: a pattern per class, and noise; half the pixels black, a label in ten wrong."""
    rng = np.random.default_rng(0)
    y = rng.integers(CLASSES, size=rows)
    x = rng.random((CLASSES, PIXELS), dtype=np.float32)[y]
    x += rng.standard_normal(x.shape, dtype=np.float32)
    wrong = rng.random(rows) < 0.1
    return np.clip(x - 0.5, 0, 1, out=x), np.where(wrong, rng.integers(CLASSES, size=rows), y)


def amiss_epoch(x, y, hidden, batch):
    """Return a function that trains for one epoch and returns its mean loss."""
    network = Network([Dense(PIXELS, hidden, "relu"), Dense(hidden, CLASSES)], seed=0)
    loss, optimizer = amiss.CrossEntropy(), Adam(1e-3)
    return lambda: network.fit(x, y, loss=loss, optimizer=optimizer, batch_size=batch, progress=None)["loss"][
        0
    ]


def torch_epoch(x, y, hidden, batch, **options):
    """The same in PyTorch."""
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    model = torch.nn.Sequential(
        torch.nn.Linear(PIXELS, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, CLASSES)
    )
    start = Network([Dense(PIXELS, hidden, "relu"), Dense(hidden, CLASSES)], seed=0).weights
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), start, strict=True):
            parameter.copy_(torch.from_numpy(weight.T))
    loss, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=1e-3, **options)

    def epoch() -> float:
        total = 0.0
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            value = loss(model(x[rows]), y[rows])
            value.backward()
            optimizer.step()
            total += value.item() * len(rows)
        return total / len(x)

    return epoch


def measure(x, y, hidden, batch, epochs) -> dict:
    """Return for each of the three its seconds per epoch and its loss in the last one."""
    runs = {
        "amiss": amiss_epoch(x, y, hidden, batch),
        "torch": torch_epoch(x, y, hidden, batch),
        "torch, fused Adam": torch_epoch(x, y, hidden, batch, fused=True),
    }
    result = {name: {"seconds": [], "loss": None} for name in runs}
    for epoch in range(epochs + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            result[name]["loss"] = run()
            if epoch > 0:  # the first one warms up
                result[name]["seconds"].append(time.perf_counter() - began)
    for name in runs:
        pairs = zip(result[name]["seconds"], result["amiss"]["seconds"], strict=True)
        result[name]["ratio"] = statistics.median(peer / own for peer, own in pairs)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--epochs", type=int, default=5, help="measured epochs; one more warms up")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()

    x, y = images(arguments.rows)
    versions = {"amiss": amiss.__version__, "numpy": np.__version__, "torch": torch.__version__}
    print(", ".join(f"{name} {version}" for name, version in versions.items()), end="; ")
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{arguments.rows} x {PIXELS} float32, {PIXELS}-{arguments.hidden}-{CLASSES} relu network, Adam")
    print(f"\nthreads batch  {'':18} {'s/epoch':>8} {'min':>7} {'max':>7} {'loss':>8}  ratio to amiss")
    results = []
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for batch in arguments.batch:
            with threadpoolctl.threadpool_limits(threads, user_api="blas"):
                result = measure(x, y, arguments.hidden, batch, arguments.epochs)
            results.append({"threads": threads, "batch": batch, "result": result})
            for name, run in result.items():
                low, middle, high = (
                    min(run["seconds"]),
                    statistics.median(run["seconds"]),
                    max(run["seconds"]),
                )
                verdict = f"{run['ratio']:5.2f}{'  LOST' if run['ratio'] < 1 else ''}"
                numbers = f"{middle:8.3f} {low:7.3f} {high:7.3f} {run['loss']:8.4f}"
                print(f"{threads:7} {batch:5}  {name:18} {numbers}  {'' if name == 'amiss' else verdict}")
    if arguments.json:
        document = {
            "schema_version": 1,
            "versions": versions,
            "processor": processor(),
            "cores": os.cpu_count(),
        }
        document |= {"rows": arguments.rows, "hidden": arguments.hidden, "results": results}
        arguments.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
