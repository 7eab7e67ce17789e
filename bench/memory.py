"""How much memory a call needs at its peak: each contestant in a process of its own.

What counts is the resident memory above that before the call, with the inputs there: the kernel's mark of
the largest (VmHWM) is set back by /proc/self/clear_refs. `ru_maxrss` cannot be set back, and a child inherits
it from its parent. A call with small inputs comes before, which starts threads and makes buffers. What
compiles does so in its first call, and may keep the memory of that for the next: its second call is measured
above the memory before the first, which contains what the compiler leaves, and so is an upper bound.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.cases import Case


def resident(which: str) -> int:
    """Return "VmRSS", the resident memory, or "VmHWM", the largest of it, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(which))


def peak(case: Case, name: str) -> int:
    """Return the bytes by which a call of a contestant raises the peak of this process."""
    contestant = next(each for each in case.contestants if each.name == name)
    if case.small:
        small = contestant.prepare(case.small())
        small.call()
        small.close()
    ready = contestant.prepare(case.inputs())
    before = resident("VmRSS")
    if contestant.compiles:
        ready.call()
    Path("/proc/self/clear_refs").write_text("5")
    ready.call()
    after = resident("VmHWM")
    ready.close()
    return max(0, after - before)


def peaks(case: Case, rows: dict[str, Any], threads: int) -> None:
    """Write the peak of each contestant that was timed into its row, where the system tells it."""
    for name, row in rows.items():
        if row["status"] != "timed" or not Path("/proc/self/clear_refs").exists():
            continue
        command = [sys.executable, "-m", "bench.memory", case.name, name, "--threads", str(threads)]
        root = Path(__file__).resolve().parent.parent
        ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        row["peak_has_compiler"] = next(each.compiles for each in case.contestants if each.name == name)
        row["peak_bytes"] = json.loads(ran.stdout.splitlines()[-1]) if ran.returncode == 0 else None
        if ran.returncode:
            row["peak_failed"] = (ran.stderr.splitlines() or ["no message"])[-1]


def main() -> None:
    from bench.machine import apply_threads, limit_threads

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case")
    parser.add_argument("contestant")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    limit_threads(arguments.threads)
    apply_threads(arguments.threads)
    from bench.catalogue import cases

    case = next(each for each in cases() if each.name == arguments.case)
    print(peak(case, arguments.contestant))


if __name__ == "__main__":
    main()
