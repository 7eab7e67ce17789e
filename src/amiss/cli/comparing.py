"""`amiss compare`: losses side by side."""

import hashlib
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import click

from amiss.comparison import Comparison, Interrupted
from amiss.comparison import compare as compare_losses
from amiss.comparison.settings import OPTIMIZERS
from amiss.core.errors import ParameterError

__all__ = ["compare"]


class Widths(click.ParamType):
    """Widths of hidden layers: 64, or 64,32, or none."""

    name = "widths"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return () if value == "none" else tuple(int(width) for width in value.split(","))
        except ValueError:
            self.fail(f"must be whole numbers as in 64 or 64,32, or none; got {value!r}.", param, ctx)


class Rate(click.ParamType):
    """A learning rate: a number, or auto."""

    name = "number|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Return the number, or "auto"."""
        try:
            return value if value == "auto" else float(value)
        except ValueError:
            self.fail(f"must be a number, or auto; got {value!r}.", param, ctx)


EPILOG = """\b
Exit codes:
  0  all runs finished
  1  the best accuracy (or R²) is below --fail-under
  2  a mistake in the command or the data, or a missing package
  3  some run diverged
  130  Ctrl-C; with a folder, --resume goes on

\b
Keys of the --json document (and of results.json):
  schema_version, amiss_version, task, command
  status    finished, diverged or interrupted
  data      name, source, task, train_rows, test_rows, features,
            classes, target, scaling, notes, fingerprint, ...
  settings  all options of the comparison
  setup     for each loss: loss, output, target
  baselines for each loss: value of the best constant, start, batches
  search    runs of the search for learning rates, as in runs
  runs      loss, seed, learning_rate, part, status, message,
            metrics, history (a number per epoch), seconds
  summary   for each loss, best first: rank, means and sds
  notes     what to know before reading the numbers
A number that is not finite is null.
"""


@click.command(epilog=EPILOG)
@click.argument("losses", nargs=-1)
@click.option(
    "--data", help="Name of a data set (see `amiss data`), or a .csv, .npz or IDX folder.  [default: digits]"
)
@click.option("--target", help="Column or array of targets, in a file of your own.")
@click.option("--task", help="classification or regression, where it is guessed wrong.")
@click.option(
    "--hidden", type=Widths(), default="64", show_default=True, help="Widths of hidden layers, or none."
)
@click.option("--epochs", default=30, show_default=True, help="Times to go through the training rows.")
@click.option("--batch-size", default=32, show_default=True, help="Rows per step.")
@click.option("--optimizer", default="adam", show_default=True, help=f"{', '.join(OPTIMIZERS)}.")
@click.option("--lr", type=Rate(), help="Learning rate; auto searches one for each loss.")
@click.option("--seed", default=0, show_default=True, help="The first seed.")
@click.option("--repeats", default=3, show_default=True, help="How many seeds.")
@click.option(
    "--reach",
    type=float,
    help="Accuracy, a fraction as in 0.9, or RMSE, to count epochs to.  [default: 0.9 for classes]",
)
@click.option(
    "--jobs",
    type=int,
    help="Processes at once; results stay the same. Starting them takes seconds: for long runs only.  "
    "[default: 1]",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Send the runs to the Dask scheduler at this address, as in tcp://10.0.0.5:8786; results stay the "
    "same.",
)
@click.option("--data-dir", type=click.Path(), help="Where downloaded data sets are kept.")
@click.option("--out", type=click.Path(), help="Folder for the results.  [default: runs/TIME-DATA-HASH]")
@click.option("--no-save", is_flag=True, help="Write no folder.")
@click.option("--resume", type=click.Path(), help="Complete the comparison in this folder.")
@click.option(
    "--fail-under",
    type=float,
    help="Exit with 1 if the best accuracy (or R²), a fraction as in 0.9, is below this.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of tables.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no closing lines.")
@click.pass_context
def compare(ctx: click.Context, **options: Any) -> None:
    """Train one network with several LOSSES on the same data, and compare what they learn.

    LOSSES are spellings such as ce, mse, "huber(delta=2)" or "0.5*mse + 0.5*mae"; by default ce, mse, mae and
    hinge for classes, and mse, mae and huber for a regression. At the same seed all losses start from the
    same weights and see the same batches.
    """
    _check_threshold(options["fail_under"])
    folder = _folder(options)
    code = 0
    try:
        comparison = _compare(options, folder)
    except Interrupted as interrupted:
        comparison, code = interrupted.comparison, 130
    _print(comparison, options["as_json"])
    if not options["quiet"]:
        _close(comparison, folder, interrupted=code == 130)
    ctx.exit(code or _exit_code(comparison, options["fail_under"]))


def _check_threshold(threshold: float | None) -> None:
    if threshold is not None and not threshold <= 1:
        hint = f" Did you mean {threshold / 100:g}?" if threshold <= 100 else ""
        raise ParameterError(f"--fail-under must be an accuracy or R² of at most 1; got {threshold:g}.{hint}")


def _compare(options: dict[str, Any], folder: Path | None) -> Comparison:
    from amiss.cli.progress import epochs_shown

    names = (
        "data",
        "target",
        "task",
        "hidden",
        "epochs",
        "batch_size",
        "optimizer",
        "seed",
        "repeats",
        "reach",
        "jobs",
        "cluster",
    )
    given = {name: options[name] for name in names}
    where = {"resume": folder} if options["resume"] else {"out": folder}
    with epochs_shown(options["quiet"]) as progress, warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return compare_losses(
            _split(options["losses"]) or None,
            learning_rate=options["lr"],
            data_folder=options["data_dir"],
            progress=progress,
            **given,
            **where,
        )


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"Warning: {message}", file=sys.stderr)


def _split(losses: tuple[str, ...]) -> list[str]:
    """Split at commas, so that `ce,mse` is two losses, but not in brackets, nor an expression."""
    return [loss for word in losses for loss in ([word] if "prediction" in word else _pieces(word))]


def _pieces(word: str) -> list[str]:
    found, depth = [""], 0
    for letter in word:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [loss.strip() for loss in found if loss.strip()]


def _folder(options: dict[str, Any]) -> Path | None:
    if options["resume"]:
        if options["out"] or options["no_save"]:
            raise ParameterError(
                "--out and --no-save must not be given with --resume; results go to that folder."
            )
        return Path(options["resume"])
    if options["no_save"] or options["out"]:
        if options["no_save"] and options["out"]:
            raise ParameterError("--out and --no-save must not be given together.")
        return Path(options["out"]) if options["out"] else None
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = Path(options["data"] or "digits").name.split(".")[0] or "data"
    told = repr((sorted(options.items()), os.getpid())).encode()
    return Path("runs") / f"{now}-{name}-{hashlib.sha256(told).hexdigest()[:6]}"


def _print(comparison: Comparison, as_json: bool) -> None:
    from amiss.cli.output import emit, emit_json

    if as_json:
        emit_json(comparison.to_dict())
    else:
        emit(comparison)


def _close(comparison: Comparison, folder: Path | None, interrupted: bool) -> None:
    """Say where the results are, and how to go on."""
    if folder is not None:
        print(f"Results: {folder}", file=sys.stderr)
    if interrupted and folder is not None:
        print(f"Go on:   amiss compare --resume {folder}", file=sys.stderr)
    elif comparison.settings.command:
        print(f"Repeat:  {comparison.settings.command}", file=sys.stderr)


def _exit_code(comparison: Comparison, threshold: float | None) -> int:
    best = comparison.summary()[0]
    name = "accuracy" if comparison.task == "classification" else "r2"
    value = best[f"{name}_mean"]
    if threshold is not None and not value >= threshold:
        what = "accuracy" if name == "accuracy" else "R²"
        told = f"the best {what} is {value:.4g}, of {best['loss']}"
        print(f"Missed --fail-under={threshold:g}: {told}.", file=sys.stderr)
        return 1
    return 3 if comparison.status == "diverged" else 0
