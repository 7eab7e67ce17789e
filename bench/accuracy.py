"""How exact losses are: the largest error of value and gradient, in amiss and in its peers.

All get the same inputs in the same dtype, item by item, and are measured against the same truth, the formula
in numbers of 400 digits. A peer's gradient is the one that its users get: by the tape of its framework.

    python -m bench.accuracy
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))  # the oracle and the inputs are those of the tests

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
import tensorflow as tf  # noqa: E402
import torch  # noqa: E402
from exact import exact, in_dtype, oracle, pairs  # noqa: E402
from losses_under_test import draw, hard, has_labels  # noqa: E402
from sklearn._loss import loss as sklearn_losses  # noqa: E402
from torch.nn import functional  # noqa: E402

import amiss  # noqa: E402
from amiss.core import ElementwiseLoss, RowLoss  # noqa: E402

PAGE = ROOT / "docs" / "accuracy.md"
DTYPES = (np.float32, np.float64)
QUANTITIES = ("value", "gradient")
LIBRARIES = ("amiss", "PyTorch", "Keras", "optax", "scikit-learn")
PACKAGES = ("amiss", "numpy", "torch", "keras", "tensorflow-cpu", "optax", "jax", "scikit-learn", "mpmath")


# --- peers ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Case:
    """A loss of amiss with the functions of peers that have the same definition, and their names.

    Args:
        name: the class in amiss.
        given: its parameters.
        peers: by library, the name of a function and the function, of arrays of that library: of prediction
            and target to one value per item. For scikit-learn a loss object.
        indices: whether targets are given as class indices.
        times: what scikit-learn's values are multiplied by, a power of 2.
    """

    name: str
    given: dict[str, Any] = field(default_factory=dict)
    peers: dict[str, tuple[str, Any]] = field(default_factory=dict)
    indices: bool = False
    times: float = 1.0

    @property
    def title(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.given.items())
        return f"{self.name}({given})"

    def loss(self) -> Any:
        """Return the loss, or None where amiss has none of that name."""
        made = getattr(amiss, self.name, None)
        return made and made(**self.given)


def numbers_of_keras(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a loss of single numbers from one of Keras, which averages the last axis."""
    return lambda x, t: function(t[:, None], x[:, None], **options)


def rows_of_keras(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return lambda x, t: function(t, x, **options)


def torch_loss(name: str, **options: Any) -> tuple[str, Callable[..., Any]]:
    function = getattr(functional, name)
    return f"torch.nn.functional.{name}", lambda x, t: function(x, t, reduction="none", **options)


def optax_loss(name: str, **options: Any) -> tuple[str, Callable[..., Any]]:
    function = getattr(optax.losses, name)
    return f"optax.losses.{name}", lambda x, t: function(x, t, **options)


def keras_loss(name: str, of_rows: bool = False, **options: Any) -> tuple[str, Callable[..., Any]]:
    wrap = rows_of_keras if of_rows else numbers_of_keras
    return f"keras.losses.{name}", wrap(getattr(keras.losses, name), **options)


def sklearn_loss(name: str, **options: Any) -> tuple[str, Any]:
    return f"sklearn._loss.{name}", getattr(sklearn_losses, name)(**options)


def torch_divergence(x: Any, t: Any) -> Any:
    return functional.kl_div(x, t, reduction="none").sum(-1)


def torch_cosine(x: Any, t: Any) -> Any:
    return 1.0 - functional.cosine_similarity(x, t, dim=-1)


CASES = (
    Case(
        "SquaredError",
        peers={
            "PyTorch": torch_loss("mse_loss"),
            "Keras": keras_loss("mean_squared_error"),
            "optax": optax_loss("squared_error"),
            "scikit-learn": sklearn_loss("HalfSquaredError"),
        },
        times=2.0,
    ),
    Case(
        "AbsoluteError",
        peers={
            "PyTorch": torch_loss("l1_loss"),
            "Keras": keras_loss("mean_absolute_error"),
            "scikit-learn": sklearn_loss("AbsoluteError"),
        },
    ),
    Case(
        "Huber",
        peers={
            "PyTorch": torch_loss("huber_loss"),
            "Keras": keras_loss("huber"),
            "optax": optax_loss("huber_loss"),
            "scikit-learn": sklearn_loss("HuberLoss", delta=1.0),
        },
    ),
    Case("LogCosh", peers={"Keras": keras_loss("log_cosh"), "optax": optax_loss("log_cosh")}),
    Case("Pinball", {"quantile": 0.75}, {"scikit-learn": sklearn_loss("PinballLoss", quantile=0.75)}),
    Case("Linex", {"a": 1.25}),
    Case(
        "BinaryCrossEntropy",
        peers={
            "PyTorch": torch_loss("binary_cross_entropy_with_logits"),
            "Keras": keras_loss("binary_crossentropy", from_logits=True),
            "optax": optax_loss("sigmoid_binary_cross_entropy"),
            "scikit-learn": sklearn_loss("HalfBinomialLoss"),
        },
    ),
    Case(
        "BinaryCrossEntropy",
        {"input": "probabilities"},
        {
            "PyTorch": torch_loss("binary_cross_entropy"),
            "Keras": keras_loss("binary_crossentropy"),
        },
    ),
    Case(
        "CrossEntropy",
        peers={
            "PyTorch": torch_loss("cross_entropy"),
            "Keras": keras_loss("sparse_categorical_crossentropy", of_rows=True, from_logits=True),
            "optax": optax_loss("softmax_cross_entropy_with_integer_labels"),
            "scikit-learn": sklearn_loss("HalfMultinomialLoss", n_classes=3),
        },
        indices=True,
    ),
    Case("CrossEntropy", {"input": "log_probabilities"}, {"PyTorch": torch_loss("nll_loss")}, indices=True),
    Case("Hinge", peers={"Keras": keras_loss("hinge"), "optax": optax_loss("hinge_loss")}),
    Case("SquaredHinge", peers={"Keras": keras_loss("squared_hinge")}),
    Case(
        "BinaryFocal",
        peers={
            "Keras": keras_loss("binary_focal_crossentropy", from_logits=True),
            "optax": optax_loss("sigmoid_focal_loss"),
        },
    ),
    Case(
        "Poisson",
        peers={
            "PyTorch": torch_loss("poisson_nll_loss", log_input=True),
            "scikit-learn": sklearn_loss("HalfPoissonLoss"),
        },
    ),
    Case("Poisson", {"input": "rate"}, {"Keras": keras_loss("poisson")}),
    Case(
        "KLDivergence",
        {"input": "log_probabilities"},
        {
            "PyTorch": ("torch.nn.functional.kl_div", torch_divergence),
            "optax": optax_loss("kl_divergence"),
        },
    ),
    Case("KLDivergence", {"input": "probabilities"}, {"Keras": keras_loss("kl_divergence", of_rows=True)}),
    Case(
        "CosineDistance",
        peers={
            "PyTorch": ("1 - torch.nn.functional.cosine_similarity", torch_cosine),
            "optax": optax_loss("cosine_distance"),
        },
    ),
)

NOTES = """- `keras.losses` run on TensorFlow. `binary_crossentropy` of probabilities and `kl_divergence`
  clip at 1e-7, and `poisson` adds 1e-7 to the rate: that is what is measured in their tails.
- scikit-learn's losses for training are private; `HalfSquaredError` counts twice here.
- A dash stands where a peer has no function, or one with another definition: Keras divides rows of
  probabilities by their sum, and its cosine loss has another zero. Losses of a whole batch are not here."""


# --- inputs --------------------------------------------------------------------------------------------
SOFT = ("KLDivergence",)
"""Losses that are asked with probabilities as targets: for certain ones they are another loss."""


def ordinary(loss: Any, dtype: Any, items: int = 200) -> tuple[Any, Any]:
    """Return ordinary predictions with certain labels or measured numbers as targets."""
    prediction, target = draw(loss, (items,))
    target = hard(loss, (items,)) if has_labels(loss) and type(loss).__name__ not in SOFT else target
    return prediction.astype(dtype), target.astype(dtype)


def tails(loss: Any, dtype: Any) -> tuple[Any, Any]:
    """Return the finite inputs at which formulas lose digits, without those that libraries may take for 0."""
    prediction, target, certain = pairs(loss, dtype)
    small = (np.abs(prediction) < 1e-30) & (prediction != 0.0)
    wanted = ~certain if type(loss).__name__ in SOFT else certain
    kept = wanted & ~(small if small.ndim == 1 else small.any(-1))
    kept[kept] = ~at_kink(loss, prediction[kept], target[kept])
    return prediction[kept], target[kept]


def at_kink(loss: Any, prediction: Any, target: Any) -> Any:
    """Return where the exact gradient a little below and a little above differ."""
    if isinstance(loss, RowLoss):
        return np.full(len(prediction), False)
    xp = oracle(400)
    x, t, step = xp.array(prediction), xp.array(target), xp.context.mpf("1e-60")
    below, above = (loss._gradient(xp, side, t) for side in (x - step, x + step))
    return np.array([abs(b - a) > 1e-30 * (1 + abs(a)) for a, b in zip(below, above, strict=True)], bool)


INPUTS = {"ordinary": ordinary, "tails": tails}


# --- what each computes --------------------------------------------------------------------------------
def of_amiss(case: Case, prediction: Any, target: Any) -> tuple[Any, Any]:
    return case.loss().value_and_gradient(prediction, target, reduction="none")


def of_torch(function: Any, prediction: Any, target: Any) -> tuple[Any, Any]:
    x = torch.tensor(prediction, requires_grad=True)
    value = function(x, torch.tensor(target))
    (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach().numpy(), gradient.numpy()


def of_keras(function: Any, prediction: Any, target: Any) -> tuple[Any, Any]:
    x = tf.constant(prediction)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x, tf.constant(target))
    return value.numpy(), tf.convert_to_tensor(tape.gradient(value, x)).numpy()


def of_optax(function: Any, prediction: Any, target: Any) -> tuple[Any, Any]:
    x, t = jnp.asarray(prediction), jnp.asarray(target)
    return np.asarray(function(x, t)), np.asarray(jax.grad(lambda y: function(y, t).sum())(x))


def of_sklearn(loss: Any, prediction: Any, target: Any) -> tuple[Any, Any]:
    return loss.loss_gradient(target.astype(prediction.dtype), prediction)


PEERS = {"PyTorch": of_torch, "Keras": of_keras, "optax": of_optax, "scikit-learn": of_sklearn}


def largest_errors(case: Case, inputs: str, dtype: Any) -> dict[tuple[str, str], float]:
    """Return the largest error of each quantity in each library, in ULP."""
    loss = in_dtype(case.loss(), dtype)
    prediction, target = INPUTS[inputs](loss, dtype)
    given = target.argmax(-1) if case.indices else target
    results = {"amiss": of_amiss(case, prediction, given)}
    with np.errstate(all="ignore"):
        for library, (_, function) in case.peers.items():
            results[library] = PEERS[library](function, prediction, given)
    if "scikit-learn" in results:
        results["scikit-learn"] = tuple(case.times * each for each in results["scikit-learn"])
    found = {}
    floor = float(np.finfo(dtype).tiny / np.finfo(dtype).eps)
    for at, quantity in enumerate(QUANTITIES):
        truth = exact(loss, quantity, prediction, target)
        for library, result in results.items():
            found[quantity, library] = float(truth.errors(result[at].astype(dtype), floor).max())
    return found


# --- the page ------------------------------------------------------------------------------------------
HEAD = """# Accuracy

The largest error of each loss over the same few hundred inputs, in units in the last place (ULP) of the
dtype. The best that a float can do is 0.5; without a right digit a result is off by
{digits}. The truth has 400 digits (`tests/exact.py`). Written by
`python -m bench.accuracy`.

- **ordinary**: numbers around 0 and 1, logits around ±2, certain labels.
- **tails**: logits up to ±1000 and shifted by up to a million, probabilities next to 0 and 1, errors from
  1e-30 to 1e30, predictions that agree with the target in all but the last digits. Results below the
  smallest normal number count as that. Kinks, where one slope is as good as another, are left out.
- **∞**: infinite or not a number where the truth is a float. The smallest error of a row is bold.

{versions}
"""


def versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES) + f"; {platform.machine()}."


def text_of(ulps: float) -> str:
    if not np.isfinite(ulps):
        return "∞"
    return f"{ulps:.1f}" if ulps < 1000 else f"{ulps:.0e}".replace("e+0", "e").replace("e+", "e")


def row(title: str, inputs: str, errors: dict[str, float]) -> str:
    """Return a line of a table, with the smallest error in bold."""
    best = min(text_of(error) for error in errors.values() if error == min(errors.values()))
    cells = [text_of(errors[library]) if library in errors else "—" for library in LIBRARIES]
    marked = [f"**{cell}**" if cell == best else cell for cell in cells]
    return f"| `{title}` | {inputs} | {' | '.join(marked)} |"


def page(errors: dict[tuple[Any, ...], float], cases: list[Case]) -> str:
    """Return the text of the page from errors by dtype, quantity, title, inputs and library."""
    digits = " and ".join(f"{text_of(1 / np.finfo(dtype).eps)} in {dtype.__name__}" for dtype in DTYPES)
    lines = [HEAD.format(digits=digits, versions=versions())]
    for dtype in DTYPES:
        for quantity in QUANTITIES:
            lines += [f"## {quantity.capitalize()} in {dtype.__name__}", ""]
            lines += [f"| Loss | Inputs | {' | '.join(LIBRARIES)} |", f"|---|---|{'---:|' * len(LIBRARIES)}"]
            for case in cases:
                for inputs in INPUTS:
                    at = dtype, quantity, case.title, inputs
                    found = {
                        library: errors[(*at, library)] for library in LIBRARIES if (*at, library) in errors
                    }
                    lines += [row(case.title, inputs, found)]
            lines += [""]
    lines += ["## The functions", "", "| Loss | Functions |", "|---|---|"]
    lines += [
        f"| `{case.title}` | {', '.join(f'`{name}`' for name, _ in case.peers.values()) or '—'} |"
        for case in cases
    ]
    return "\n".join([*lines, "", NOTES, ""])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="where to write the page")
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    cases = [case for case in CASES if case.loss() is not None]
    errors = {}
    for case in cases:
        for inputs in INPUTS:
            for dtype in DTYPES:
                for (quantity, library), ulps in largest_errors(case, inputs, dtype).items():
                    errors[dtype, quantity, case.title, inputs, library] = ulps
    text = page(errors, cases)
    print(text)
    for missing in sorted({case.name for case in CASES} - {case.name for case in cases}):
        print(f"{missing}: not in this version of amiss, and left out")
    shown = {case.name for case in CASES}
    for family in amiss.catalogue().values():
        for loss in family:
            if issubclass(loss, ElementwiseLoss | RowLoss) and loss.__name__ not in shown:
                print(f"{loss.__name__}: without a line here; add it to CASES")
    arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
