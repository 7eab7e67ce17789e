"""The loss that a gradient belongs to when the catalogue has none: by integrating it."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["integral", "measured_facts", "symmetry"]

PATIENCE = 8.0  # seconds; SymPy may search for an antiderivative for ever
INTEGRATE = """
import pickle, sys, sympy
gradient, p, y = pickle.load(sys.stdin.buffer)
found = sympy.integrate(sympy.nsimplify(gradient, rational=True), p)
if found.has(sympy.Integral):
    sys.exit(1)
try:
    at_target = sympy.limit(found, p, y) if found.subs(p, y).has(sympy.nan, sympy.zoo) else found.subs(p, y)
    if at_target.is_finite is not False and not at_target.has(sympy.nan, sympy.zoo, sympy.oo):
        found = found - at_target
except (NotImplementedError, ValueError, TypeError):
    pass
found = min((sympy.simplify(found), sympy.factor(found), found), key=sympy.count_ops)
error = sympy.Symbol(f"({p} - {y})", real=True)
of_error = sympy.simplify(found.subs(p, y + error))
sys.stdout.buffer.write(pickle.dumps((found, str(found if of_error.has(y) else of_error))))
"""


def integral(gradient: Any, p: Any, y: Any) -> str | None:
    """Return the text of an expression whose derivative is the gradient, or None if none is found.

    It is 0 at the target if it can be. A process of its own searches for it, until that takes too long.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", INTEGRATE],
            input=pickle.dumps((gradient, p, y)),
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    found, text = pickle.loads(done.stdout)  # of the process that was started above
    return str(text) if _is_antiderivative(found, gradient, p) else None


def _is_antiderivative(found: Any, gradient: Any, p: Any) -> bool:
    """Return whether the derivative is the gradient, at drawn numbers."""
    import sympy

    difference = sympy.diff(found, p) - gradient
    names = sorted(difference.free_symbols | gradient.free_symbols, key=str)
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(60):
        at = {name: float(x) for name, x in zip(names, rng.uniform(0.05, 0.95, len(names)), strict=True)}
        try:
            gap, size = complex(difference.subs(at).evalf()), abs(complex(gradient.subs(at).evalf()))
        except (TypeError, ValueError):
            continue
        if abs(gap) > 1e-9 * (1.0 + size):
            return False
        seen += 1
    return seen >= 20


Vector = Callable[[np.ndarray, np.ndarray], np.ndarray]


def symmetry(gradient: Vector, output: np.ndarray, target: np.ndarray) -> float:
    """Return how far the derivative of a gradient is from symmetric, over its size: a loss has one that is 0.

    Shapes:
        output, target: (rows, K), of which each row is looked at by itself.
    """
    step, worst = 1e-6, 0.0
    for row, label in zip(output[:8], target[:8], strict=True):
        size = len(row)
        jacobian = np.empty((size, size))
        for k in range(size):
            ahead, behind = row.copy(), row.copy()
            ahead[k] += step
            behind[k] -= step
            with np.errstate(all="ignore"):
                change = gradient(ahead[None], label[None]) - gradient(behind[None], label[None])
                jacobian[:, k] = change[0] / (2 * step)
        if np.isfinite(jacobian).all() and np.abs(jacobian).max() > 0:
            worst = max(worst, float(np.abs(jacobian - jacobian.T).max() / np.abs(jacobian).max()))
    return worst


def measured_facts(gradient: Vector, within_unit: bool) -> dict[str, bool] | None:
    """Return what a gradient says of its loss, on a grid: convex, zero at perfection, negative somewhere.

    None where it is not finite there.

    Args:
        gradient: of predictions and targets.
        within_unit: whether both are probabilities.
    """
    low, high = (0.02, 0.98) if within_unit else (-3.0, 3.0)
    grid = np.linspace(low, high, 1201)
    convex, stationary, least, seen = True, True, 0.0, False
    for label in (0.02, 0.98, 0.5) if within_unit else (-1.0, 0.0, 2.0):
        with np.errstate(all="ignore"):
            slope = np.ravel(gradient(grid[:, None], np.full((len(grid), 1), label)))
        if slope.shape != grid.shape or not np.isfinite(slope).all():
            continue
        seen = True
        scale = np.abs(slope).max()
        convex &= bool((np.diff(slope) >= -1e-9 * scale).all())
        place = int(np.argmin(np.abs(grid - label)))
        with np.errstate(all="ignore"):
            before, after = (
                float(np.ravel(gradient(np.array([[label + h]]), np.array([[label]])))[0])
                for h in (-1e-9, 1e-9)
            )
        stationary &= before <= 1e-6 * scale and after >= -1e-6 * scale
        area = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(grid))])
        least = min(least, float((area - area[place]).min() / max(scale, 1e-300)))
    if not seen:
        return None
    return {"convex": convex, "zero_at_perfection": bool(stationary), "negative_somewhere": least < -1e-3}
