"""How far the work is: a bar on a terminal, a line per epoch or file elsewhere, always on stderr."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from amiss.comparison.files import counted

__all__ = ["epochs_shown", "files_shown"]


def _has_bar(console: Console) -> bool:
    return console.is_interactive and not os.environ.get("CI")


@contextmanager
def epochs_shown(quiet: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a callback for `amiss.compare(progress=...)`."""
    console = Console(stderr=True, highlight=False)
    if quiet:
        yield lambda event: None
    elif _has_bar(console):
        with _bar(console) as bar:
            yield bar
    else:
        yield _line


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[dict[str, Any]], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=10) as progress:
        task = progress.add_task("loading data", total=None)
        epochs = 0

        def show(event: dict[str, Any]) -> None:
            nonlocal epochs
            if event["event"] == "start":
                what = "learning rates" if event["phase"] == "search" else "runs"
                epochs = event["epochs"] // max(event["runs"], 1)
                progress.reset(task, total=event["epochs"], description=what)
            elif event["event"] == "epoch":
                text = f"{event['loss']}, seed {event['seed']}, epoch {event['epoch']}, {_metric(event)}"
                progress.update(task, advance=1, description=text)
            else:  # a run that ended early leaves epochs out
                progress.update(task, advance=epochs - len(event["history"].get("loss", ())))

        yield show


def _metric(event: dict[str, Any]) -> str:
    if "val_accuracy" in event:
        return f"accuracy {event['val_accuracy']:.3f}"
    return f"RMSE {event['val_rmse']:.4g}"


def _line(event: dict[str, Any]) -> None:
    if event["event"] == "start" and event["runs"]:
        what = "searching learning rates" if event["phase"] == "search" else "training"
        runs, epochs = counted(event["runs"], "run"), counted(event["epochs"], "epoch")
        print(f"{what}: {runs}, {epochs} in all", file=sys.stderr)
    elif event["event"] == "epoch":
        print(
            f"{event['loss']}, seed {event['seed']}, learning rate {event['learning_rate']:g}, "
            f"epoch {event['epoch']}: loss {event['train_loss']:.4g}, held-out {_metric(event)}, "
            f"{event['seconds']:.2g} s",
            file=sys.stderr,
        )
    elif event["event"] == "run" and event["status"] != "finished":
        text = f"{event['loss']}, seed {event['seed']}: {event['status']}. {event['message']}"
        print(text.rstrip(), file=sys.stderr)


@contextmanager
def files_shown(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a callback for `amiss.comparison.fetch(progress=...)`."""
    console = Console(stderr=True, highlight=False)
    if quiet:
        yield lambda name, done, total: None
    elif _has_bar(console):
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        with Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), console=console
        ) as progress:
            tasks: dict[str, Any] = {}

            def show(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = progress.add_task(name, total=total)
                progress.update(tasks[name], completed=done)

            yield show
    else:

        def tell(name: str, done: int, total: int) -> None:
            if done == total:
                print(f"{name}: {total:,} bytes", file=sys.stderr)

        yield tell
