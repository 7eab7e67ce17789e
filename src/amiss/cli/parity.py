"""`amiss parity`: one step of a network in several frameworks, and what differs."""

import os
from typing import Any

import click
import numpy as np

from amiss.cli.output import emit, emit_json
from amiss.cli.parameters import LossType
from amiss.core.errors import ParameterError, suggest

__all__ = ["parity"]

RATES = {"sgd": 0.1, "adam": 1e-3}

EPILOG = """\b
Examples:
  amiss parity
      a 4-3-3 network on Iris, in all frameworks that are installed
  amiss parity --loss mse --layers 4-8:relu-3:sigmoid --framework torch
      another network and loss, in NumPy and PyTorch
  amiss parity --weights w.npz --layers 4-8:relu-3 --data d.npz
      your weights and your rows
  amiss parity --theirs mine.npz --layers 4-8:relu-3
      one step of your own code, from what it exported

\b
What mine.npz may hold, of a network of two layers:
  x, y                        the rows, unless --data gives them
  W1, b1, W2, b2              the weights before the step
  output, loss, doutput       the forward pass; dL/doutput
  delta2, delta1              dL/dz of each layer
  dW2, db2, dW1, db1          the gradients
  W1_new, b1_new, ...         the weights after the step

\b
Exit codes:
  0  all agree
  1  something differs
  2  a mistake in the command or the data, or a missing package
"""


@click.command(epilog=EPILOG)
@click.option("--loss", type=LossType(), default="ce", show_default=True, help="The loss, by any spelling.")
@click.option(
    "--framework",
    "frameworks",
    multiple=True,
    help="torch, keras or jax; repeated, or as in torch,keras. NumPy is always there.  [default: all]",
)
@click.option(
    "--optimizer", type=click.Choice(list(RATES)), default="sgd", show_default=True, help="The optimiser."
)
@click.option("--lr", type=float, help="Its learning rate.  [default: 0.1 for sgd, 0.001 for adam]")
@click.option(
    "--layers",
    help="Widths from input to output, with activations, as in 4-8:relu-3. A hidden layer without one has "
    "tanh, the last what the loss needs.  [default: one hidden layer of 3]",
)
@click.option(
    "--data",
    help="A data set (see `amiss data`), or an .npz archive with x and y, which are taken as they are.  "
    "[default: iris]",
)
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False),
    help="Your weights: an .npz archive with W1, b1, ... or arr_0, arr_1, ..., or a file of Network.save.",
)
@click.option(
    "--theirs",
    type=click.Path(exists=True, dir_okay=False),
    help="What your code computed: an .npz archive, see below. It is compared with NumPy.",
)
@click.option("--seed", default=0, show_default=True, help="Draws the weights, where none are given.")
@click.option(
    "--dtype",
    type=click.Choice(["float64", "float32"]),
    default="float64",
    show_default=True,
    help="What the frameworks compute in.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
@click.pass_context
def parity(ctx: click.Context, as_json: bool, **options: Any) -> None:
    """Run one step of a network in NumPy, PyTorch, Keras and JAX; name the first quantity that differs.

    Each framework gets the same weights and uses its own layers, loss, derivative and optimiser. The table
    has a line for each quantity, in the order of the computation: output, loss, dL/doutput, dL/dz, gradients,
    updated weights.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else TensorFlow greets on stderr
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    found = _parity(options)
    if as_json:
        emit_json({"schema_version": 1, **found.to_dict()})
    else:
        emit(found.text())
    ctx.exit(0 if found.agrees else 1)


def _parity(options: dict[str, Any]) -> Any:
    from amiss.network import SGD, Adam
    from amiss.parities.exported import read_arrays
    from amiss.parities.parities import parity as compare_sides

    theirs = read_arrays(options["theirs"]) if options["theirs"] else {}
    x, y, activation = _rows(options, theirs)
    network = _network(options, theirs, x, y, activation)
    if y.ndim == 1:
        y = _coded(options["loss"], y, network.layers[-1].outputs)
    rate = RATES[options["optimizer"]] if options["lr"] is None else options["lr"]
    optimizer = SGD(rate) if options["optimizer"] == "sgd" else Adam(rate)
    quantities = {name: array for name, array in theirs.items() if name not in ("x", "y")}
    return compare_sides(
        network, x, y, options["loss"], _sides(options, quantities), optimizer, dtype=options["dtype"]
    )


def _sides(options: dict[str, Any], quantities: dict[str, np.ndarray]) -> Any:
    """Return the sides by name, or None for whatever is installed."""
    from amiss.parities.frameworks import FRAMEWORKS

    asked = [
        name.strip().lower() for text in options["frameworks"] for name in text.split(",") if name.strip()
    ]
    if not asked and not options["theirs"]:
        return None
    for name in asked:
        if name not in FRAMEWORKS:
            raise ParameterError(
                f"--framework must be of {', '.join(FRAMEWORKS)}; got {name!r}.{suggest(name, FRAMEWORKS)}"
            )
    sides: dict[str, Any] = {name: name for name in ["numpy", *asked]}
    if options["theirs"]:
        sides["theirs"] = quantities
    if len(sides) < 2:
        raise ParameterError("--framework must name another one than numpy: torch, keras or jax.")
    return sides


def _task(y: np.ndarray) -> str:
    return "classification" if y.ndim == 1 and y.dtype.kind in "iub" else "regression"


def _rows(options: dict[str, Any], theirs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, str]:
    """Return x, y, and the activation that the loss wants of the last layer."""
    from amiss.comparison.setups import enter
    from amiss.comparison.sources import load
    from amiss.parities.exported import read_arrays

    data = options["data"]
    if data is None and {"x", "y"} <= theirs.keys():
        arrays = theirs
    elif data is not None and data.lower().endswith(".npz"):
        arrays = read_arrays(data)
    else:
        found = load(data or "iris")
        arrays = {"x": found.x_train, "y": found.y_train}
    if not {"x", "y"} <= arrays.keys():
        raise ParameterError(f"--data must hold x and y; {data} holds {', '.join(arrays) or 'nothing'}.")
    x, y = arrays["x"], arrays["y"]
    if y.ndim == 1:
        return x, y, enter(options["loss"], _task(y)).output
    return x, y, "identity"


def _coded(loss: Any, y: np.ndarray, outputs: int) -> np.ndarray:
    """Return targets as the loss takes them."""
    from amiss.comparison.setups import enter

    coding = enter(loss, _task(y)).target
    if coding == "standardised" or (coding != "index" and outputs == 1):
        return 2 * y[:, None] - 1 if coding == "signs" and set(np.unique(y)) <= {0, 1} else y[:, None]
    if coding == "index":
        return y
    if y.min() < 0 or y.max() >= outputs:
        raise ParameterError(
            f"--data must have classes from 0 to {outputs - 1}, as there are {outputs} outputs; got classes "
            f"from {y.min()} to {y.max()}."
        )
    rows = np.eye(outputs)[y.astype(int)]
    return 2 * rows - 1 if coding == "signs" else rows


def _network(options: dict[str, Any], theirs: dict, x: np.ndarray, y: np.ndarray, activation: str) -> Any:
    from amiss.network import Dense, Network
    from amiss.parities.exported import network_of, read_arrays, weights_in

    path = options["weights"]
    arrays = read_arrays(path) if path else theirs
    if "config" in arrays:  # a file of Network.save says what its layers are
        return Network.load(path)
    weights = weights_in(arrays)
    if options["theirs"] and not weights:
        raise ParameterError(
            "--weights must be given with --theirs, unless that holds W1, b1, ...; "
            f"{options['theirs']} holds {', '.join(theirs)}."
        )
    if path and not weights:
        raise ParameterError(
            f"--weights must hold W1, b1, ... or arr_0, ...; {path} holds {', '.join(arrays)}."
        )
    if weights and not options["layers"]:
        raise ParameterError(
            "--layers must be given with weights of your own, as these do not tell the activations: "
            "--layers 4-8:relu-3"
        )
    outputs = int(y.max()) + 1 if _task(y) == "classification" else y.shape[1] if y.ndim == 2 else 1
    widths, activations = _layers(options["layers"] or f"{x.shape[-1]}-3-{outputs}", activation)
    if weights:
        network = network_of(weights, activations)
        found = [network.layers[0].inputs, *(layer.outputs for layer in network.layers)]
        if found != widths:
            raise ParameterError(f"--layers must have the widths of the weights, {found}; got {widths}.")
        return network
    layers = [Dense(a, b, f) for a, b, f in zip(widths, widths[1:], activations, strict=False)]
    return Network(layers, options["seed"], "float64")


def _layers(text: str, activation: str) -> tuple[list[int], list[str]]:
    """Read 4-8:relu-3 as widths and activations."""
    parts = [part.partition(":") for part in text.split("-")]
    try:
        widths = [int(width) for width, _, _ in parts]
    except ValueError:
        widths = []
    if len(widths) < 2 or parts[0][2]:
        raise ParameterError(
            "--layers must be widths from input to output, as in 4-8:relu-3, the input without an "
            f"activation; got {text!r}."
        )
    *hidden, last = [name.strip() for _, _, name in parts[1:]]
    return widths, [*(name or "tanh" for name in hidden), last or activation]
