"""`amiss identify`: the loss that is hidden in a gradient."""

import shutil
import sys
import textwrap
from pathlib import Path
from typing import Any

import click

from amiss.cli.output import emit, emit_json

EPILOG = """\b
Examples:
  amiss identify "(a - y) * a * (1 - a)"
  amiss identify network.py
  cat network.py | amiss identify - --prediction A2 --target y_train

\b
Exit codes:
  0  a loss of the catalogue was recognised
  1  none was, or there is none
  2  the code cannot be read, or does not say what is compared with what
"""


@click.command(epilog=EPILOG)
@click.argument("code")
@click.option("--prediction", help="What the code calls the prediction, where that is not to be seen.")
@click.option("--target", help="What the code calls the target.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def identify(
    ctx: click.Context, code: str, prediction: str | None, target: str | None, as_json: bool
) -> None:
    """Name the loss that is hidden in the gradient that CODE computes.

    CODE is an expression, lines of NumPy-like code, a file of it, or - for standard input. It is never run.
    """
    from amiss.identification.identifying import identify as name_loss

    source: str | Path = code
    if code == "-":
        source = sys.stdin.read()
    elif _is_file(code):
        source = Path(code)
    found = name_loss(source, prediction, target)
    if as_json:
        emit_json({"schema_version": 1, **found.to_dict()})
    else:
        emit("\n".join(_lines(found)))
    ctx.exit(0 if found.loss is not None else 1)


def _is_file(code: str) -> bool:
    try:
        return code.endswith(".py") or ("\n" not in code and Path(code).is_file())
    except OSError:  # too long to be a name
        return False


def _lines(found: Any) -> list[str]:
    width = min(shutil.get_terminal_size().columns, 80) - 2
    lines = textwrap.wrap(found.main_sentence, width)
    if found.loss is not None:
        lines += ["", _row("loss", repr(found.loss)), _row("factor", str(found.factor))]
        lines += [_row("activation", found.activation), _row("with respect to", found.wrt)]
        lines += [_row("largest difference", f"{found.max_error:.1g} of the largest number of the gradient")]
        if len(found.candidates) > 1:
            said = "It fits these too; code that shows the output's activation would tell them apart:"
            lines += ["", *textwrap.wrap(said, width)]
            lines += [
                f"  {one.factor} * {type(one.loss).__name__}, {one.activation}, by the {one.wrt}"
                for one in found.candidates[1:]
            ]
    for number in found.printed:
        said = f"{number.name} (line {number.line}) is never used by the training: {number.relation}."
        lines += ["", *textwrap.wrap(said, width)]
    return lines


def _row(name: str, text: str) -> str:
    return f"{name:<20}{text}"
