"""What is printed, and the JSON document."""

import math
from collections.abc import Iterator
from typing import Any

SCHEMA_VERSION = 1
COLUMNS = "{:28} {:>9} {:>19} {:>7} {:>15} {:>6} {:>16} {:>10}  {}"
HEADINGS = ("", "median", "quartiles", "ratio", "quartiles", "triad", "error", "first call", "")


def seconds(number: float) -> str:
    """Return a time with three digits and a unit."""
    for unit, size in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if number < 999.5 * size:
            return f"{digits(number / size)} {unit}"
    return f"{digits(number)} s"


def digits(number: float) -> str:
    """Return three significant digits, without an exponent below a million."""
    if not math.isfinite(number) or number == 0:
        return f"{number:.3g}"
    return (
        f"{number:.{max(0, 2 - math.floor(math.log10(abs(number))))}f}"
        if abs(number) < 1e6
        else f"{number:.1e}"
    )


def brief(error: float) -> str:
    """Return an error with two digits."""
    return digits(error) if 0.01 <= error < 1e4 else f"{error:.0e}"


def head(machine: dict[str, Any], plan: dict[str, Any]) -> Iterator[str]:
    """Yield what the results depend on."""
    load = ", ".join(f"{number:.2f}" for number in machine["load_average"])
    yield f"{machine['processor']}; kernels: {machine['instruction_set']}; {machine['system']}"
    yield f"{machine['cores']} cores, {machine['threads']} threads for all; load average {load}"
    yield ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    if bandwidth := machine["triad"]:
        size = bandwidth["array_bytes"] >> 20
        yield (
            f"triad: {bandwidth['bytes_per_second'] / 1e9:.1f} GB/s, the best of some, on three arrays of "
            f"{size} MiB, counting 24 bytes per element"
        )
    if machine["load_average"][0] > machine["cores"] / 4:
        yield "BUSY: others use this machine, and the ratios cannot be trusted: where threads of PyTorch wait"
        yield "for one that is not let run, it takes up to a hundred times as long"
    quick = "QUICK: too few for a verdict. " if plan["quick"] else ""
    yield f"{quick}{plan['repeats']} repeats; medians and quartiles; ratio = time / time of amiss, in pairs"
    yield "triad: the bytes that must move at least, per second, as a share of the triad"
    yield "error: of the worst entry of value, gradient or Hessian, in ULP or as a share of the largest"
    yield "first call: what it took more than the median: to compile, and to import what it needs"


def table(case: dict[str, Any], repeats: int = 0) -> Iterator[str]:
    """Yield the rows of a case, with a note if it has fewer repeats."""
    aims = ", ".join(f"{name} {aim:g}" for name, aim in case["targets"].items())
    made = {row["repeats"] for row in case["contestants"].values() if "repeats" in row}
    notes = [f"targets: {aims}"] * bool(aims) + [
        f"ONLY {min(made)} REPEATS" for _ in made if min(made) < repeats
    ]
    yield f"\n{case['name']}" + (f"  ({'; '.join(notes)})" if notes else "")
    if case["skipped"]:
        yield f"    skipped: {case['skipped']}"
        return
    shown = case["errors_shown"]
    headings = ("error in ULP" if each == "error" and shown == "ulp" else each for each in HEADINGS)
    yield COLUMNS.format(*headings).rstrip()
    for name, row in case["contestants"].items():
        yield "  " + (line(name, row, shown) if row["status"] == "timed" else f"{name:26} {row['status']}")
    for miss in case["below_target"]:
        yield f"    BELOW TARGET: {missed(miss)}"


def line(name: str, row: dict[str, Any], shown: str) -> str:
    """Return the row of a contestant."""
    times, ratio, share = row["seconds"], row.get("ratio"), row.get("triad_share")
    sign = "<= " if row.get("peak_has_compiler") else ""
    memory = f"peak {sign}{row['peak_bytes'] / 2**20:.0f} MiB  " if row.get("peak_bytes") is not None else ""
    return (
        COLUMNS.replace("{:28}", "{:26}")
        .format(
            name,
            seconds(times["median"]),
            f"{seconds(times['low'])}..{seconds(times['high'])}",
            digits(ratio["median"]) if ratio else "",
            f"{digits(ratio['low'])}..{digits(ratio['high'])}" if ratio else "",
            f"{share:.0%}" if share is not None else "",
            ", ".join(brief(error[shown]) for error in row["errors"].values()),
            seconds(row["compile_seconds"]),
            memory + ("LOST" if row.get("lost") else ""),
        )
        .rstrip()
    )


def missed(miss: dict[str, Any]) -> str:
    """Return what was aimed at and what was measured."""
    if miss["target"] == "seconds":
        return f"{miss['contestant']} takes {seconds(miss['measured'])}; the target is {seconds(miss['aim'])}"
    return (
        f"{miss['target']}: {digits(miss['measured'])} ({miss['contestant']}); the target is {miss['aim']:g}"
    )


def summary(cases: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return which cases are lost, below their targets, skipped or in error, as in the JSON document."""
    found: dict[str, list[Any]] = {"lost": [], "below_target": [], "absent": [], "errors": []}
    for case in cases:
        if case["skipped"]:
            found["absent"].append({"case": case["name"], "contestant": None, "why": case["skipped"]})
            continue
        for name, row in case["contestants"].items():
            where = {"case": case["name"], "contestant": name}
            if row.get("lost"):
                found["lost"].append(where | {"ratio": row["ratio"]})
            if row["status"] != "timed":
                error = row["status"].startswith("wrong") or (
                    row["own"] and row["status"].startswith("failed")
                )
                found["errors" if error else "absent"].append(where | {"why": row["status"]})
        found["below_target"] += [{"case": case["name"]} | miss for miss in case["below_target"]]
    return found


def tail(found: dict[str, list[Any]]) -> Iterator[str]:
    """Yield the summary."""
    yield f"\nLOST: {len(found['lost']) or 'nothing'}"
    for each in found["lost"]:
        ratio = each["ratio"]
        spread = f"{digits(ratio['median'])} ({digits(ratio['low'])}..{digits(ratio['high'])})"
        yield f"  {each['case']}: {each['contestant']}, {spread}"
    yield f"\nBELOW TARGET: {len(found['below_target']) or 'nothing'}"
    for each in found["below_target"]:
        yield f"  {each['case']}: {missed(each)}"
    for title, key in (("NOT THERE", "absent"), ("ERRORS", "errors")):
        if found[key]:
            yield f"\n{title}:"
        for each in found[key]:
            who = f"{each['contestant']}, " if each["contestant"] else ""
            yield f"  {each['case']}: {who}{each['why']}"


def document(machine: dict[str, Any], plan: dict[str, Any], cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON document."""
    return {
        "schema_version": SCHEMA_VERSION,
        "machine": machine,
        "plan": plan,
        "cases": cases,
        "summary": summary(cases),
    }
