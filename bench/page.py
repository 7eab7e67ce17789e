"""Write docs/speed.md from what `python -m bench --json FILE` measured; of several files the last counts.

python -m bench.page times.json [more.json ...]
"""

import json
import sys
from pathlib import Path
from typing import Any

from bench.report import missed, seconds

PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed.md"

HEAD = """# Speed, beside peers

Written by `python -m bench.page` from what `python -m bench --json` measured: all contestants of a case in
one process, in turn, on the same threads, warmed up. A ratio is the time of a peer over that of amiss, the
median over pairs of samples; below 1 the peer is faster. Fresh outputs are compared with fresh ones, reused
with reused.
"""

LIMITS = """
## What the limits are

- **One call.** About 0.9 microseconds: two Python frames, three buffers, one new array. NumPy alone needs 2
  for the squared error and its gradient, in three calls.
- **Mean squared error and its kin on large arrays.** 12 bytes per float32 entry must move, and move: outputs
  that are there already are stored past the caches, and the next entries are fetched while sums are added up.
  A fresh output costs a page fault per 4 KiB, or per 2 MiB where the system gives large pages, and zeros that
  nobody reads: half of the time.
- **Logistic losses.** Value and gradient take 65 vector operations and two divisions per 16 float32 entries,
  76 and two per 8 float64; gradient and Hessian 56 and 61, and one. Two operations can start in a cycle, so
  that 35 to 40 cycles are the least; measured on one core are 53 and 65, and 35 and 39. The rest is waiting:
  from a logit to its loss is a chain of some 180 cycles, of which the processor holds two or three at a time.
- **Gradient and Hessian of ten million float64.** 32 bytes per entry must move, 48 with the lines that a
  store reads first: 11 ms at the triad's bandwidth, 16 with those. scikit-learn takes 20 to 22.
- **Cross-entropy.** Some 26 vector operations per 16 logits where rows fit the cache; 12 bytes per logit
  where not. Soft targets are 4 bytes more, and two sums with their rounding errors.
- **Eager tensors.** Of 24 microseconds for a thousand numbers, 17 are spent by PyTorch alone, on a node that
  does nothing and the way back through it; two new tensors take 1.2, the kernel 0.3. PyTorch's squared error
  takes 25 with a node in C++.
- **The network.** A step of 128 items is 52 million operations in two large products, 0.23 ms at the 205 to
  240 billion per second that OpenBLAS reaches in them, of matrices that are in no cache yet; the step takes
  0.39. Pixels gathered from random rows take 36 microseconds, Adam 33, as long with a division
  in half the time: what it reads and writes lies in the caches of both cores. A step of a tiny network, all
  calls and no work, takes 34. At 32 items the two products are 69 of 149.
- **Linear cross-entropy.** At a width of 1024 the products are 98 % of the time: 825 billion operations.
  OpenBLAS, which NumPy brings, computes the logits at 280 to 295 billion per second, the gradient of hidden
  at 270 to 280 and that of the weight at 320 to 330: 2.9 to 3 seconds. MKL, which PyTorch brings, does the
  same pieces at 290, 320 and 345: 2.6. On PyTorch's tensors, with MKL, amiss takes as long as torch.compile.

## Custom objectives of boosters

`python -m bench.boosters`: a million rows, 50 rounds; times over that of the built-in objective. A replay
computes nothing: it hands over what the objective found before, and no objective can cost less. XGBoost
copies scores and labels; LightGBM knows that the Hessian of its own squared error is constant. Of a round,
amiss takes 1.9 ms.

| columns | 10: amiss | replay | 28: amiss | replay | 100: amiss | replay |
|---|---|---|---|---|---|---|
| XGBoost, squared error | 1.28 | 1.19 | 1.17 | 1.12 | 1.05 | 1.03 |
| XGBoost, logistic loss | 1.10 | 1.03 | 1.03 | 0.99 | 1.02 | 1.01 |
| LightGBM, squared error | 1.11 | 1.04 | 1.13 | 1.04 | 1.00 | 1.01 |
| LightGBM, logistic loss | 0.95 | 0.85 | 1.00 | 0.91 | 0.97 | 0.97 |
"""


def page(documents: list[dict[str, Any]]) -> str:
    """Return the page as Markdown."""
    cases = {case["name"]: case for document in documents for case in document["cases"]}
    machine = documents[-1]["machine"]
    rows = [row(case) for case in cases.values() if not case["skipped"]]
    lost = [f"- {text}" for case in cases.values() for text in losses(case)]
    missing = [
        f"- {case['name']}: {missed(miss)}" for case in cases.values() for miss in case["below_target"]
    ]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    timed = [each for case in cases.values() for each in case["contestants"].values() if "repeats" in each]
    return "\n".join(
        [
            HEAD,
            f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads; "
            f"kernels for {machine['instruction_set']}; {versions}.",
            f"Triad: {machine['triad']['bytes_per_second'] / 1e9:.1f} GB/s. Samples of each contestant: "
            f"{min(each['repeats'] for each in timed)} or more.\n",
            "| case | amiss | with `out=` | fastest peer | peer / amiss | PyTorch eager / amiss |",
            "|---|---|---|---|---|---|",
            *rows,
            "\n## Where a peer is faster\n",
            *(lost or ["Nowhere."]),
            "\n## Below what the project wants of itself\n",
            *(missing or ["Nothing."]),
            LIMITS,
        ]
    )


def row(case: dict[str, Any]) -> str:
    """Return the line of a case."""
    timed = {name: each for name, each in case["contestants"].items() if each["status"] == "timed"}
    own = [each for each in timed.values() if each["own"]]
    peers = {name: each for name, each in timed.items() if not each["own"] and each.get("ratio")}
    fresh = next((seconds(each["seconds"]["median"]) for each in own if not each["reused"]), "")
    reused = next((seconds(each["seconds"]["median"]) for each in own if each["reused"]), "")
    best = min(peers, key=lambda name: peers[name]["ratio"]["median"], default="")
    ratio = f"{peers[best]['ratio']['median']:.3g}" if best else ""
    eager = peers.get("PyTorch eager")
    beside = f"{eager['ratio']['median']:.3g}" if eager else ""
    return f"| {case['name']} | {fresh} | {reused} | {best} | {ratio} | {beside} |"


def losses(case: dict[str, Any]) -> list[str]:
    """Return the peers that are faster than amiss."""
    timed = [(name, each) for name, each in case["contestants"].items() if each.get("ratio")]
    return [
        f"{case['name']}: {name}, {each['ratio']['median']:.3g}"
        for name, each in timed
        if not each["own"] and each["ratio"]["median"] < 1
    ]


if __name__ == "__main__":
    PAGE.write_text(page([json.loads(Path(name).read_text()) for name in sys.argv[1:]]), encoding="utf-8")
