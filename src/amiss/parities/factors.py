"""Factors that two computations of one quantity differ by, and what each comes from."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Factor", "constant_ratio", "factor_named"]


@dataclass(frozen=True)
class Factor:
    """A factor with a name such as 1/N, and what was computed where it occurs."""

    name: str
    reason: str


def constant_ratio(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> float | None:
    """Return the number r with theirs = r * ours, or None where there is no such number.

    Examples:
        >>> constant_ratio(np.array([1.0, 2.0]), np.array([0.5, 1.0]), 1e-9)
        0.5
    """
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all() and np.any(ours)):
        return None
    ratio = float(np.sum(ours * theirs) / np.sum(ours * ours))
    fits = np.abs(theirs - ratio * ours).max() <= tolerance * np.abs(theirs).max()
    return ratio if fits else None


def factor_named(ratio: float, rows: int, outputs: int, noun: str, tolerance: float) -> Factor | None:
    """Return the simplest names of a ratio among ±1, ½ and 2, times or divided by N rows and K outputs.

    Examples:
        >>> factor_named(1 / 3, rows=7, outputs=3, noun="classes", tolerance=1e-9).name
        '1/K, K = 3 classes'
    """
    found: dict[int, list[Factor]] = {}
    sizes = {"N": (rows, "rows"), "K": (outputs, noun)}
    for halves in (0, -1, 1):
        for n in (0, -1, 1) if rows > 1 else (0,):
            for k in (0, -1, 1) if outputs > 1 else (0,):
                for sign in (1, -1):
                    value = sign * 2.0**halves * float(rows) ** n * float(outputs) ** k
                    effort = abs(halves) + abs(n) + abs(k) + (sign < 0)
                    if effort and abs(ratio - value) <= tolerance * abs(value):
                        used = [f"{x} = {sizes[x][0]} {sizes[x][1]}" for x, p in (("N", n), ("K", k)) if p]
                        name = ", ".join([_written(sign, halves, n, k), *used])
                        found.setdefault(effort, []).append(Factor(name, _told(sign, halves, n, k, noun)))
    if not found:
        return None
    best = found[min(found)]
    return Factor(" or ".join(f.name for f in best), "; or ".join(f.reason for f in best))


def _written(sign: int, halves: int, n: int, k: int) -> str:
    powers = {"2": halves, "N": n, "K": k}
    above = "·".join(name for name, power in powers.items() if power > 0) or "1"
    below = "·".join(name for name, power in powers.items() if power < 0)
    text = f"{above}/({below})" if "·" in below else f"{above}/{below}" if below else above
    return ("-" if sign < 0 else "") + text


def _told(sign: int, halves: int, n: int, k: int, noun: str) -> str:
    means = {
        (1, 0): "summed over the rows, not averaged: 1/N is missing",
        (-1, 0): "divided by N once more",
        (0, -1): f"averaged over the K {noun} of a row too, not over the rows only",
        (0, 1): f"summed over the K {noun} of a row, not averaged over them",
        (1, 1): "summed over all N·K numbers, not averaged",
        (-1, -1): "divided by N·K once more",
        (1, -1): f"averaged over the K {noun} of a row, and summed over the rows",
        (-1, 1): f"averaged over the rows, and summed over the K {noun}",
    }
    said = [means[n, k]] if (n, k) != (0, 0) else []
    said += ["a factor one half (½ in front, or the 2 of a derivative left out)"] if halves < 0 else []
    said += ["twice (a factor one half is missing)"] if halves > 0 else []
    said += ["the opposite sign"] if sign < 0 else []
    return ", and ".join(said)
