"""`amiss plot`: pictures of losses, in a file."""

import io
import os
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from amiss.cli.parameters import LossType
from amiss.core.errors import AmissError, ParameterError

__all__ = ["plot"]

USUAL = {
    "prediction": ("mse", "mae", "huber"),
    "error": ("mse", "mae", "huber"),
    "probability": ("ce", "0.5*mse", "BinaryFocal", "hinge"),
    "logit": ("bce", "mse", "hinge"),
    "two-outputs": ("ce",),
    "two-weights": ("mse",),
    "line": ("ce",),
    "one-weight": ("ce",),
}
"""What a loss can be drawn against, and the losses that are drawn if none is named."""

ALLOWED = {
    "target": ("prediction", "error", "two-outputs"),
    "hessian": ("prediction", "error"),
    "accuracy": ("line",),
    "weight": ("one-weight",),
    "data": ("line", "one-weight"),
}
"""The options that say something of some pictures only."""

EPILOG = """\b
What a loss is drawn against:
  prediction   value and gradient of one item, for a fixed target
  error        the same, against prediction - target
  probability  value, and δ by the logit, against the probability of
               the true class; the sigmoid or softmax is folded in
  logit        the same, against the logit
  two-outputs  contour lines over the predictions of two items, or the
               first two classes of a row
  two-weights  contour lines over the weights of a linear model of iris
  line         the line between the weights of a network before and
               after training
  one-weight   loss and accuracy along one weight of a network

\b
Examples:
  amiss plot mse mae "huber(delta=2)" --hessian
  amiss plot ce mse hinge --against probability -o delta.svg
  amiss plot ce --against line --accuracy --data digits
"""


class Numbers(click.ParamType):
    """One number, or several with commas."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(number) for number in value.split(","))
        except ValueError:
            self.fail(f"must be numbers as in 2 or 0.6,0.3,0.1; got {value!r}.", param, ctx)


class Place(click.ParamType):
    """A weight of a network, as a picture names it: W1[2,0]."""

    name = "W1[row,column]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, tuple[int, int]]:
        """Return the layer, counted from 0, with row and column."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"W([1-9]\d*)\[\s*(\d+)\s*,\s*(\d+)\s*\]", value.strip())
        if not found:
            self.fail(f"must be a layer, a row and a column as in W1[2,0]; got {value!r}.", param, ctx)
        layer, row, column = map(int, found.groups())
        return layer - 1, (row, column)


@click.command(epilog=EPILOG)
@click.argument("losses", nargs=-1, type=LossType())
@click.option(
    "--against",
    type=click.Choice(list(USUAL)),
    default="prediction",
    show_default=True,
    help="What lies on the horizontal axis; see below.",
    metavar="WHAT",
)
@click.option(
    "-o", "--out", type=click.Path(), help="The file: .png, .svg or .pdf.  [default: of its losses]"
)
@click.option("--target", type=Numbers(), help="The target; of two-outputs the targets, with commas.")
@click.option(
    "--range", "span", type=float, nargs=2, metavar="LOW HIGH", help="The ends of the horizontal axis."
)
@click.option("--hessian", is_flag=True, help="Draw the second derivative too.")
@click.option("--accuracy", is_flag=True, help="Draw the accuracy along the line too.")
@click.option("--weight", type=Place(), help="The weight of one-weight.  [default: W1[2,1]]")
@click.option("--data", help="The data of line and one-weight; see `amiss data`.  [default: iris]")
@click.option("--title", default="", help="A line above the picture.")
def plot(losses: tuple[Any, ...], out: str | None, title: str, **options: Any) -> None:
    """Draw LOSSES into a file: value and gradient, contour lines, or along the weights of a network.

    LOSSES are spellings such as ce, mse, "huber(delta=2)" or "0.5*mse + 0.5*mae".
    """
    from amiss.plot.style import kind_of

    against = options["against"]
    losses = losses or tuple(LossType().convert(name, None, None) for name in USUAL[against])
    _check_options(options)
    path = Path(out) if out else Path(_name(losses, against))
    kind = kind_of(path)
    _check_place(path)
    panels = DRAWERS[against](losses, options)
    figure = panels[0].figure
    if title:
        figure.suptitle(title, fontsize=10, parse_math=False)
    _write(figure, path, kind)
    print(f"Picture: {path}", file=sys.stderr)


def _check_options(options: dict[str, Any]) -> None:
    against = options["against"]
    for name, allowed in ALLOWED.items():
        if options[name] not in (None, False) and against not in allowed:
            places = " or ".join(allowed)
            raise ParameterError(
                f"--{name} must be given with --against {places}; got --against {against}. Leave it out."
            )


# --- pictures ----------------------------------------------------------------------------------------------
def _prediction(losses: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    from amiss.plot import draw_losses

    target = options["target"]
    if target is not None and len(target) != 1:
        raise ParameterError(
            f"--target must be one number with --against {options['against']}; got {len(target)}."
        )
    return draw_losses(losses, target and target[0], options["span"], options["against"], options["hessian"])


def _probability(losses: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    from amiss.plot import draw_by_probability

    return draw_by_probability(losses, options["against"], options["span"])


def _outputs(losses: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    from amiss.plot import draw_outputs

    return [draw_outputs(_only(losses, options), options["target"], options["span"])]


def _weights(losses: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    from amiss.comparison.sources import load
    from amiss.plot import draw_weights
    from amiss.plot.slices import slice_of

    loss, iris = _only(losses, options), load("iris")
    length, width = iris.x_train[:, 2], iris.x_train[:, 3]
    span = options["span"] and (options["span"],) * 2
    if not slice_of(loss).labels:
        return [draw_weights(loss, length, width, span, ("petal length", "petal width (standardised)"))]
    two = iris.y_train > 0
    low = -1.0 if slice_of(loss).signs else 0.0
    labels = (iris.y_train[two] == 2) * (1.0 - low) + low
    return [draw_weights(loss, iris.x_train[two][:, 2:], labels, span, ("petal length", "petal width"))]


def _line(losses: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    from amiss.plot import draw_line

    network, before, x, y = _trained(losses, options["data"] or "iris", hidden=True, epochs=30)
    if options["accuracy"] and network.layers[-1].outputs == 1:
        raise ParameterError(
            "--accuracy must be asked of data with classes; these are a regression. Drop it."
        )
    span = options["span"] or (-0.25, 1.25)
    return draw_line(network, before, network.weights, x, y, losses, options["accuracy"], span)


def _one_weight(losses: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
    from amiss.plot import draw_weight

    network, _, x, y = _trained(losses, options["data"] or "iris", hidden=False, epochs=30)
    if network.layers[-1].outputs == 1:
        raise ParameterError("--data must have classes, which an accuracy counts; these are a regression.")
    layer, place = options["weight"] or (0, (2, 1))
    return draw_weight(network, x, y, losses, layer, place, options["span"])


DRAWERS: dict[str, Callable[..., list[Any]]] = {
    "prediction": _prediction,
    "error": _prediction,
    "probability": _probability,
    "logit": _probability,
    "two-outputs": _outputs,
    "two-weights": _weights,
    "line": _line,
    "one-weight": _one_weight,
}


def _only(losses: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if len(losses) != 1:
        raise ParameterError(
            f"--against {options['against']} must be given one loss; got {len(losses)}. Draw them one by one."
        )
    return losses[0]


def _trained(losses: tuple[Any, ...], name: str, hidden: bool, epochs: int) -> tuple[Any, ...]:
    """Return a network that the first loss has trained, its weights before, and rows to measure it on."""
    from amiss.comparison.setups import coded, enter
    from amiss.comparison.sources import load
    from amiss.network import Adam, Dense, Network

    data = load(name)
    entrants = [enter(loss, data.task) for loss in losses]
    if len({(entrant.output, entrant.target) for entrant in entrants}) > 1:
        told = "; ".join(f"{entrant.label}: {entrant.output}, {entrant.target}" for entrant in entrants)
        raise ParameterError(
            f"The losses of one picture must take the same outputs and targets; they take {told}. "
            "Draw them one by one."
        )
    first, outputs = entrants[0], len(data.classes or (0,))
    width = data.x_train.shape[1]
    shape = [(width, 8, "tanh"), (8, outputs, first.output)] if hidden else [(width, outputs, first.output)]
    network = Network([Dense(*layer) for layer in shape], seed=0, dtype="float64")
    before = network.weights
    y = coded(first, data, data.y_train)
    network.fit(data.x_train, y, loss=first.loss, optimizer=Adam(0.01), epochs=epochs, progress=None)
    return network, before, data.x_train[:ROWS], y[:ROWS]


ROWS = 1000
"""The rows that a network is measured on at every point of its way."""


# --- the file ----------------------------------------------------------------------------------------------
def _name(losses: tuple[Any, ...], against: str) -> str:
    """Return a file name that says what is drawn: SquaredError-Huber-delta-2-prediction.png."""
    from amiss.plot.slices import legend_of

    words = re.findall(r"[A-Za-z0-9.]+", " ".join(map(legend_of, losses)))
    return "-".join([*words, against])[-100:].lstrip("-.") + ".png"


def _check_place(path: Path) -> None:
    """Raise unless a picture may be written there: a file that is there must be a picture of this command."""
    if not path.parent.is_dir():
        raise AmissError(f"plot: {path} must be in a folder; there is no folder {path.parent}. Make it.")
    if path.is_dir():
        raise AmissError(f"plot: {path} must be a file; it is a folder. Name a file in it.")
    if path.exists() and path.stat().st_size and b"amiss plot" not in path.read_bytes():
        raise AmissError(
            f"plot: {path} is there already, and is no picture of this command. Name another file with -o, "
            "or move that one away."
        )


def _write(figure: Any, path: Path, kind: str) -> None:
    """Write the picture whole or not at all."""
    from amiss.plot import save_figure

    picture = io.BytesIO()
    save_figure(figure, picture, kind)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(picture.getvalue())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
