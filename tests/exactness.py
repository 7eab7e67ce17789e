"""The largest errors of every loss on every path, and the page docs/exactness.md that holds them."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from exact import QUANTITIES, apply, awkward, exact, extremes, in_dtype, key_of, pairs
from losses_under_test import array, cases, elementwise, numbers, rows, variants

import amiss
from amiss.arrays import namespace_of
from amiss.core import RowLoss

PAGE = Path(__file__).resolve().parent.parent / "docs" / "exactness.md"
LIBRARY_OF = {"NumPy": "numpy", "PyTorch": "torch", "JAX": "jax", "TensorFlow": "tensorflow"}
PATHS = ("kernel", *LIBRARY_OF)
DTYPES = (np.float64, np.float32)

FLUSHING = ("JAX", "TensorFlow")
"""XLA and TensorFlow replace numbers below the smallest normal one, and intermediate results there, by 0."""

GROWN = {"BinaryFocal": 1e4}
"""How many times what was so replaced is multiplied afterwards, where that is more than a little."""


# --- losses --------------------------------------------------------------------------------------------
def keys():
    return list(dict.fromkeys(key_of(loss) for loss in [*elementwise(variants()), *rows(variants())]))


def instances(key):
    """Return the losses behind a name, each with other parameters that make another formula of it."""
    found = [loss for loss in cases() if key_of(loss) == key]
    found += [other for loss in elementwise(found[:1]) for other in awkward(loss)]
    return list({results(loss): loss for loss in reversed(found)}.values())[::-1]


def results(loss):
    """Return what the formulas give at a few hundred inputs, as bytes."""
    prediction, target, _ = pairs(loss, np.float64)
    return b"".join(portable("numpy", loss, q, prediction, target).tobytes() for q in QUANTITIES)


# --- paths ---------------------------------------------------------------------------------------------
LENGTH = 512
"""JAX compiles every operation for every shape anew: it is given arrays of one length only."""


def portable(library, loss, quantity, prediction, target):
    """Return what a formula gives on arrays of a library, without any kernel."""
    count = len(prediction)
    if library == "jax":
        prediction, target = (np.resize(x, (LENGTH, *x.shape[1:])) for x in (prediction, target))
        assert count <= LENGTH
    x, t = array(library, prediction), array(library, target)
    with np.errstate(all="ignore"):
        found = apply(loss, quantity, namespace_of(x), x, t)
    return numbers(found)[:count].astype(prediction.dtype)


def public(loss, quantity, prediction, target):
    """Return what the public interface gives for every item."""
    method = loss if quantity == "value" else getattr(loss, quantity)
    return method(prediction, target, reduction="none")


def has_driver(loss):
    """Return whether the compiled driver of softmax cross-entropy serves it, for indices and for rows."""
    return isinstance(loss, amiss.CrossEntropy) and loss.input == "logits"


# --- errors --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Worst:
    """The largest error of a quantity on a path, in ULP, and where it is."""

    ulps: float
    where: str


def worst_of_all(key, dtype):
    """Return the largest error of each quantity on each path, over all parameters and all inputs."""
    found = {}
    for loss in instances(key):
        for block, digits in ((pairs, 400), (extremes, 800)):
            for at, worst in worst_errors(in_dtype(loss, dtype), *block(loss, dtype), digits):
                if at not in found or not worst.ulps <= found[at].ulps:
                    found[at] = worst
    return found


def least_normal(loss, dtype):
    """Return the smallest number that libraries which replace subnormal ones get right to the last digit."""
    return float(np.finfo(dtype).tiny / np.finfo(dtype).eps) * GROWN.get(type(loss).__name__, 1.0)


def is_normal(loss, prediction):
    """Return which items have a prediction without numbers below that, other than 0."""
    small = (np.abs(prediction) < least_normal(loss, prediction.dtype)) & (prediction != 0.0)
    return ~(small if small.ndim == 1 else small.any(-1))


def worst_errors(loss, prediction, target, certain, digits=400):
    """Yield the largest error of each quantity on each path at some inputs."""
    normal, floor = is_normal(loss, prediction), least_normal(loss, prediction.dtype)
    for quantity in QUANTITIES:
        truth = exact(loss, quantity, prediction, target, digits)
        for path in PATHS:
            everything = np.full(len(normal), True)
            kept, least = (normal, floor) if path in FLUSHING else (everything, 0.0)
            if path != "kernel":
                computed = [(kept, portable(LIBRARY_OF[path], loss, quantity, prediction, target))]
            elif not isinstance(loss, RowLoss):
                computed = [(kept, public(loss, quantity, prediction, target))]
            elif has_driver(loss) and quantity != "hessian":
                index = np.where(certain, target.argmax(-1), 0)
                computed = [(certain, public(loss, quantity, prediction, index))]
                computed += [(kept, public(loss, quantity, prediction, target))]
            else:
                continue
            for kept, found in computed:
                errors = truth[kept].errors(found[kept], least)
                at = np.unravel_index(errors.argmax(), errors.shape)[0]
                where = f"prediction {prediction[kept][at]!r}, target {target[kept][at]!r}, {loss}"
                yield (quantity, path), Worst(float(errors.max()), where)


# --- the page ------------------------------------------------------------------------------------------
HEAD = """# Exactness

The largest errors that the tests measure, in units in the last place (ULP) and rounded up to a half. The
truth has 400 digits. The inputs are ordinary numbers and tails: logits up to ±1000 and to the largest float,
rows of logits shifted by up to a million, probabilities 0 and 1 and next to them, 1e-30, subnormal numbers,
infinities, and what a search found to be the worst. The parameters are the defaults, the ends of their
typical ranges and numbers between.

- **kernel**: the compiled code, which serves NumPy arrays and PyTorch tensors on the CPU. It has the same
  bits on every processor that it runs on; of x86-64 those have AVX2 and FMA (since 2013).
- **NumPy**, **PyTorch**, **JAX**, **TensorFlow**: the formula on that library's own functions, which serves
  compiled programs and accelerators too. XLA replaces numbers below the smallest normal one by 0; these are
  not asked of JAX and TensorFlow.

The claims: 4 ULP in the kernels, 8 in those of rows and on every other path. Where the mathematics subtracts
two terms that were rounded, as in p - t, these are ULP of the larger term. XLA's own `log1p` of a double
between -0.42 and -0.34 is off by up to {log1p:.0f} ULP.

The tests fail where an error is larger than here, by half an ULP on another library's path, as its functions
differ from processor to processor. They wrote this page, and write it again with

```bash
python -m pytest tests/contract/test_value_is_exact.py -n 0 --write-exactness
```
"""


def rounded_up(ulps):
    return math.ceil(2.0 * ulps) / 2.0 if math.isfinite(ulps) else ulps


def read_page():
    """Return the errors on the page by dtype, loss, quantity and path."""
    found, dtype = {}, None
    for line in PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else ():
        if heading := re.fullmatch(r"## (float\d+)", line):
            dtype = heading[1]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if dtype and len(cells) == 2 + len(PATHS) and cells[1] in QUANTITIES:
            for path, cell in zip(PATHS, cells[2:], strict=True):
                if cell != "—":
                    found[dtype, cells[0], cells[1], path] = math.inf if cell == "∞" else float(cell)
    return found


def write_page(errors, log1p):
    """Write the page from errors by dtype, loss, quantity and path."""
    lines = [HEAD.format(log1p=log1p)]
    for dtype in (dtype.__name__ for dtype in DTYPES):
        lines += [f"## {dtype}", "", f"| Loss | Quantity | {' | '.join(PATHS)} |"]
        lines += [f"|---|---|{'---:|' * len(PATHS)}"]
        for key in keys():
            for quantity in QUANTITIES:
                cells = [text_of(errors.get((dtype, key, quantity, path))) for path in PATHS]
                lines += [f"| {key} | {quantity} | {' | '.join(cells)} |"]
        lines += [""]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def text_of(ulps):
    if ulps is None:
        return "—"
    return "∞" if math.isinf(ulps) else f"{ulps:.1f}"
