"""How long losses take: amiss beside its peers, in one process, in turn, on the same threads.

    python -m bench --list
    python -m bench --json times.json
    python -m bench --case "Huber/*" CrossEntropy --quick

Each contestant first shows that it computes the same as the truth in long numbers. A peer that is faster than
amiss is marked LOST. Peers that are not installed are named: `pip install ".[bench]"` has all of them.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from bench import machine

REPEATS, QUICK = 30, 5


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--case", nargs="+", metavar="PATTERN", default=["*"], help="cases by name, or its beginning"
    )
    parser.add_argument(
        "--peers", nargs="+", metavar="PATTERN", default=["*"], help="peers by name; amiss always runs"
    )
    parser.add_argument("--list", action="store_true", help="name the cases and their contestants, and end")
    parser.add_argument(
        "--threads", type=int, default=machine.cores(), help="of every library (default: all cores)"
    )
    parser.add_argument("--repeats", type=int, help=f"samples of each contestant, {REPEATS} or more")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK} repeats, a small triad and short epochs: a trial"
    )
    parser.add_argument(
        "--seconds-per-case", type=float, metavar="S", help="end a case after so long, with fewer repeats"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write everything measured, each sample too"
    )
    given = parser.parse_args(arguments)
    if given.repeats is None:
        given.repeats = QUICK if given.quick else REPEATS
    if given.repeats < (1 if given.quick else REPEATS):
        parser.error(f"--repeats must be {REPEATS} or more; fewer only with --quick")
    if not 1 <= given.threads <= machine.cores():
        parser.error(f"--threads must be 1 to {machine.cores()}, the cores this process may use")
    return given


def main(arguments: list[str] | None = None) -> int:
    given = parsed(arguments)
    machine.limit_threads(given.threads)  # before any library is imported

    from bench import report
    from bench.catalogue import cases, matches
    from bench.measure import Plan, run

    machine.apply_threads(given.threads)
    chosen = [case for case in cases(given.quick) if matches(case.name, given.case)]
    if not chosen:
        print(f"No case matches {' '.join(given.case)}. See --list.", file=sys.stderr)
        return 2
    if given.list:
        for case in chosen:
            print(f"{case.name}: {'; '.join(each.name for each in case.contestants)}")
        return 0
    about = machine.describe(given.threads)
    limit = machine.TRIAD_BYTES >> 3 if given.quick else machine.TRIAD_BYTES
    about["triad"] = machine.triad(limit=limit)
    bandwidth = about["triad"] and about["triad"]["bytes_per_second"]
    plan = Plan(given.repeats, given.seconds_per_case, given.threads, bandwidth)
    settings = {"repeats": plan.repeats, "seconds_per_case": plan.seconds, "quick": given.quick}
    print("\n".join(report.head(about, settings)), flush=True)
    results: list[dict[str, Any]] = []

    def write() -> None:
        if given.json:
            given.json.write_text(json.dumps(finite(report.document(about, settings, results)), indent=1))

    for number, case in enumerate(chosen, start=1):
        print(f"[{number}/{len(chosen)}] {case.name}", file=sys.stderr, flush=True)
        taking_part = [each for each in case.contestants if each.own or matches(each.name, given.peers)]
        results.append(run(case, plan, taking_part))
        print("\n".join(report.table(results[-1], plan.repeats)), flush=True)
        write()  # after each case, so that a run that is stopped leaves what it has
    about["triad_at_end"] = again = machine.triad(limit=limit)
    if again:
        print(f"\ntriad at the end: {again['bytes_per_second'] / 1e9:.1f} GB/s")
    found = report.summary(results)
    print("\n".join(report.tail(found)))
    write()
    return 1 if found["errors"] else 0


def finite(value: Any) -> Any:
    """Return a document in which numbers that JSON has not are text."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


if __name__ == "__main__":
    sys.exit(main())
