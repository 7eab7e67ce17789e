"""Measure a case: who computes the same, how long each takes, and how it compares with amiss."""

import gc
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.cases import EAGER, Case, Contestant, Ready, Truth

SAMPLE = 2e-3
"""Seconds that a sample lasts at least: short calls are repeated within it."""

SETTLE = 0.02
"""Seconds of rest before a sample: threads of the one before may spin so long, waiting for more work."""

LONG = 0.1
"""Seconds from which on a call warms itself up."""

LEAST = 5
"""Repeats that are made however long they take."""


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Args:
        repeats: samples of each contestant.
        seconds: after which a case ends with fewer, or None.
        threads: how many all have.
        triad: bytes per second of the triad, or None.
    """

    repeats: int = 30
    seconds: float | None = None
    threads: int = 1
    triad: float | None = None


def spread(numbers: list[float]) -> dict[str, float]:
    """Return median and quartiles."""
    low, middle, high = np.quantile(numbers, (0.25, 0.5, 0.75))
    return {"median": float(middle), "low": float(low), "high": float(high)}


def clock(call: Callable[[], Any], times: int = 1) -> float:
    """Return the seconds of one call, from a row of some."""
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


def length(call: Callable[[], Any]) -> float:
    """Return about how long a call takes."""
    first = clock(call)
    return first if first > LONG else min(first, clock(call), clock(call))


def race(calls: dict[str, Callable[[], Any]], plan: Plan) -> dict[str, list[float]]:
    """Return seconds per call, by contestant and repeat.

    In each repeat every contestant runs once, in an order drawn anew, so that none always follows the same
    other. Each rests, runs untimed once, as somebody who calls it often would find it, and is timed.
    """
    lengths = {name: length(call) for name, call in calls.items()}
    times = {name: max(1, math.ceil(SAMPLE / max(seconds, 1e-9))) for name, seconds in lengths.items()}
    order, shuffler = list(calls), random.Random(0)
    found: dict[str, list[float]] = {name: [] for name in calls}
    began = time.perf_counter()
    with quiet():
        for repeat in range(plan.repeats):
            shuffler.shuffle(order)
            for name in order:
                gc.collect(0)
                time.sleep(SETTLE)
                if lengths[name] < LONG:
                    clock(calls[name], max(1, times[name] // 2))
                found[name].append(clock(calls[name], times[name]))
            late = plan.seconds is not None and time.perf_counter() - began > plan.seconds
            if late and repeat + 1 >= min(LEAST, plan.repeats):
                break
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the collector of garbage out of the timings."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def judge(case: Case, truth: tuple[Truth, ...], outputs: tuple[Any, ...]) -> tuple[dict[str, Any], str]:
    """Return the errors of a contestant's results, and what is wrong with them or ""."""
    if len(truth) != len(outputs):
        return {}, f"returned {len(outputs)} results instead of {len(truth)}"
    errors, wrong = {}, ""
    for exact, found in zip(truth, outputs, strict=True):
        apart, ulps = exact.compare(found, case.dtype)
        errors[exact.name] = {"ulp": ulps, "share_of_largest": apart}
        if not apart <= case.tolerance:
            wrong = (
                f"{exact.name} is off by {apart:.1e} of its largest entry; {case.tolerance:.0e} is allowed"
            )
    return errors, wrong


def prepare(
    case: Case, contestants: list[Contestant], inputs: Any
) -> tuple[dict[str, Ready], dict[str, Any]]:
    """Return the contestants that compute what they should, and a row of the result for each."""
    truth = None if case.truth is None else case.truth(inputs)
    ready: dict[str, Ready] = {}
    rows: dict[str, Any] = {}
    for contestant in contestants:
        row = rows[contestant.name] = {"own": contestant.own, "reused": contestant.reused, "status": "timed"}
        if missing := contestant.missing():
            row["status"] = f"missing: {', '.join(missing)} not installed"
            continue
        bound = None
        try:
            bound = contestant.prepare(inputs)
            began = time.perf_counter()
            result = bound.call()
            row["first_call_seconds"] = time.perf_counter() - began
            outputs = bound.read(result)
            if truth is None:  # amiss comes first: the others must agree with it
                truth = tuple(Truth("loss", np.asarray(each), np.zeros(())) for each in outputs)
            errors, wrong = judge(case, truth, outputs)
            row["errors"] = errors if case.truth else {}
            row["status"] = f"wrong: {wrong}" if wrong else "timed"
        except Exception as error:  # a peer that cannot do a case is told, and the others go on
            row["status"] = (
                f"failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            )
        if row["status"] == "timed" and bound is not None:
            ready[contestant.name] = bound
        elif bound is not None:
            bound.close()
    return ready, rows


def run(case: Case, plan: Plan, contestants: list[Contestant] | None = None) -> dict[str, Any]:
    """Return the result of a case, as it stands in the JSON document."""
    chosen = list(case.contestants) if contestants is None else contestants
    result: dict[str, Any] = {
        "name": case.name,
        "dtype": case.dtype,
        "traffic_bytes": case.traffic,
        "errors_shown": "ulp" if case.by_entry else "share_of_largest",
        "targets": {key: value for key, value in vars(case.targets).items() if value is not None},
        "skipped": case.missing,
        "contestants": {},
    }
    if case.missing:
        return result
    result["load_average"] = os.getloadavg()[0]
    ready, rows = prepare(case, chosen, case.inputs())
    result["contestants"] = rows
    try:
        samples = race({name: bound.call for name, bound in ready.items()}, plan)
    finally:
        for bound in ready.values():
            bound.close()
    for name, seconds in samples.items():
        row = rows[name]
        row |= {"samples": seconds, "seconds": spread(seconds), "repeats": len(seconds)}
        row["compile_seconds"] = max(0.0, row["first_call_seconds"] - row["seconds"]["median"])
        if case.traffic:
            row["bytes_per_second"] = case.traffic / row["seconds"]["median"]
            row["triad_share"] = row["bytes_per_second"] / plan.triad if plan.triad else None
        rival = own_of(rows, row["reused"], samples)
        if rival and rival != name:
            pairs = zip(seconds, samples[rival], strict=True)
            row |= {"against": rival, "ratio": spread([peer / own for peer, own in pairs])}
            row["lost"] = not row["own"] and row["ratio"]["median"] < 1.0
    if case.memory:
        from bench.memory import peaks

        peaks(case, rows, plan.threads)
    result["below_target"] = below(case, rows)
    return result


def own_of(rows: dict[str, Any], reused: bool, samples: dict[str, list[float]]) -> str | None:
    """Return the contestant of amiss to compare with: the first that uses its outputs likewise."""
    own = [name for name in samples if rows[name]["own"]]
    return next((name for name in own if rows[name]["reused"] == reused), own[0] if own else None)


def below(case: Case, rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the targets that were measured and not reached."""
    peers = {name: row for name, row in rows.items() if "ratio" in row and not row["own"]}
    own = {name: row for name, row in rows.items() if "seconds" in row and row["own"]}
    aims, found = case.targets, []

    def ask(target: str, aim: float | None, name: str, measured: float | None, at_least: bool = True) -> None:
        if aim is not None and measured is not None and (measured < aim if at_least else measured > aim):
            found.append({"target": target, "aim": aim, "measured": measured, "contestant": name})

    if peers:
        nearest = min(peers, key=lambda name: peers[name]["ratio"]["median"])
        ask("best peer", aims.best, nearest, peers[nearest]["ratio"]["median"])
    if EAGER in peers:
        ask("PyTorch eager", aims.eager, EAGER, peers[EAGER]["ratio"]["median"])
    for name, row in own.items():
        ask("seconds", aims.seconds, name, row["seconds"]["median"], at_least=False)
        if case.memory and row.get("peak_bytes") is not None:
            ask("memory", aims.memory, name, row["peak_bytes"] / case.memory, at_least=False)
        if row["reused"]:
            ask("share of triad", aims.triad, name, row.get("triad_share"))
    return found
