"""`amiss trace`: one step of backpropagation, with numbers and checks."""

import shutil
from typing import Any

import click

from amiss.cli.parameters import LossType

__all__ = ["trace"]

EPILOG = """\b
Examples:
  amiss trace                              cross-entropy, six Iris flowers
  amiss trace --swap mse                   what changes with another loss
  amiss trace --add 1000                   a constant moves no weight
  amiss trace --nudge "W2[0,1]+=0.1"       the loss tells which way
  amiss trace --loss mse --layers 4,5,4,3 --activation tanh --plot step.svg

\b
Exit codes:
  0  every check passed
  1  a check failed: the first wrong step is named
  2  a mistake in the command or the data, or a missing package
"""


@click.command(epilog=EPILOG)
@click.option("--loss", type=LossType(), help="The loss.  [default: ce for classes, mse for numbers]")
@click.option("--swap", type=LossType(), help="Another loss, beside it; what stays the same is grey.")
@click.option("--add", default=0.0, help="Add a constant to the loss, and see what changes.")
@click.option("--nudge", help='Move one weight, as in "W2[0,1]+=0.1", and see what the loss does.')
@click.option("--row", default=0, show_default=True, help="The row whose numbers are shown.")
@click.option("--rows", type=click.Choice(["all"]), help="Show the numbers of all rows.")
@click.option("--layers", help="Widths from input to output, as in 4,3,3.  [default: one hidden layer of 3]")
@click.option("--activation", default="sigmoid", show_default=True, help="Activation of hidden layers.")
@click.option("--seed", default=0, show_default=True, help="Fixes the weights.")
@click.option("--lr", default=0.1, show_default=True, help="Learning rate of gradient descent.")
@click.option("--data", default="iris", show_default=True, help="A data set (see `amiss data`) or a file.")
@click.option("--target", help="Column or array of targets, in a file of your own.")
@click.option("--task", help="classification or regression, where it is guessed wrong.")
@click.option("--batch-size", default=6, show_default=True, help="How many of its training rows.")
@click.option("--model", "path", type=click.Path(), help="A network that Network.save wrote.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--markdown", is_flag=True, help="Print a page in Markdown.")
@click.option("--plot", type=click.Path(), help="Draw the step into a file: .png, .svg or .pdf.")
@click.pass_context
def trace(ctx: click.Context, as_json: bool, markdown: bool, plot: str | None, **options: Any) -> None:
    """Show one step of backpropagation: every quantity in order, with numbers and a check of each derivative.

    A small network takes one step on a few flowers. The line where the loss enters is marked; each derivative
    is compared with what a finite difference of the loss says.
    """
    from amiss.cli.output import emit, emit_json

    made = _trace(options)
    if plot is not None:
        from amiss.plot.style import save_figure

        save_figure(made.plot().figure, plot)
        click.echo(f"Picture: {plot}", err=True)
    if as_json:
        emit_json({"schema_version": 1, **made.to_dict()})
    elif markdown:
        click.echo(made.markdown(options["rows"]), nl=False)
    else:
        emit(_coloured(made, options["rows"]))
    ctx.exit(0 if made.passed else 1)


def _trace(options: dict[str, Any]) -> Any:
    """Trace the network that the options ask for, on the rows that they ask for."""
    from amiss.comparison.setups import coded, enter
    from amiss.comparison.sources import load
    from amiss.network import SGD, Network
    from amiss.network.layers import check_count
    from amiss.tracing.traces import trace as traced

    check_count("amiss trace", "--batch-size", options["batch_size"])
    data = load(options["data"], target=options["target"], task=options["task"])
    entrant = enter(options["loss"] or ("ce" if data.classes else "mse"), data.task)
    if options["path"] is None:
        network = _network(options, data.x_train.shape[1], len(data.classes or (1,)), entrant.output)
    else:
        network = Network.load(options["path"])
    x = data.x_train[: options["batch_size"]]
    y = coded(entrant, data, data.y_train[: options["batch_size"]])
    more = {name: options[name] for name in ("row", "swap", "add", "nudge")}
    return traced(network, entrant.loss, x, y, optimizer=SGD(options["lr"]), **more)


def _network(options: dict[str, Any], inputs: int, outputs: int, last: str) -> Any:
    from amiss.core.errors import ParameterError
    from amiss.network import Dense, Network

    try:
        text = options["layers"]
        widths = [inputs, 3, outputs] if text is None else [int(width) for width in text.split(",")]
    except ValueError:
        widths = []
    if len(widths) < 2 or (widths[0], widths[-1]) != (inputs, outputs) or min(widths) < 1:
        raise ParameterError(
            f"--layers must be widths from {inputs} inputs to {outputs} outputs, as in {inputs},3,{outputs}; "
            f"got {options['layers']!r}."
        )
    activations = [*[options["activation"]] * (len(widths) - 2), last]
    layers = [Dense(*pair) for pair in zip(widths, widths[1:], activations, strict=False)]
    return Network(layers, seed=options["seed"], dtype="float64")


def _coloured(made: Any, rows: str | None) -> Any:
    from rich.text import Text

    from amiss.tracing.text import lines

    width = max(60, min(shutil.get_terminal_size().columns, 100))
    return Text("\n").join(Text(line, style) for line, style in lines(made, rows, width))
