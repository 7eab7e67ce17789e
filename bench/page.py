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
  larger than the caches are stored past them. What is missing to the triad's bandwidth is the sum with its
  rounding errors, 6 operations per float64, which no memory access overlaps wholly. A fresh output costs a
  page fault per 4 KiB, or per 2 MiB where the system gives large pages, and zeros that nobody reads.
- **Logistic losses.** Value and gradient take 95 vector operations and two divisions per 16 float32 entries,
  110 and two per 8 float64; gradient and Hessian 78 and 86, and one. Two can start in a cycle. There is no
  fused multiply-add among them, as all instruction sets give the same bits.
- **Cross-entropy.** 31 vector operations per 16 logits where rows fit the cache; 12 bytes per logit where
  not.
- **Eager tensors.** An `autograd.Function` in Python costs 4 microseconds to attach and one tensor for the
  value; the kernel itself takes 1 of 10. PyTorch does the same in C++.
- **The network.** A step of 128 items is 51 million multiplications, 0.33 ms on one core and half of that on
  two; the step takes 0.4. At 32 items Python takes a third: it is 0.16 ms long.
- **Linear cross-entropy.** At a width of 1024 the products are 93 % of the time, whoever computes them: 825
  billion operations, of which two cores can do some 350 in a second. OpenBLAS, which NumPy brings, is 10 %
  slower at them than MKL, which PyTorch brings.
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
    return "\n".join(
        [
            HEAD,
            f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads; "
            f"kernels for {machine['instruction_set']}; {versions}.",
            f"Triad: {machine['triad']['bytes_per_second'] / 1e9:.1f} GB/s.\n",
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
