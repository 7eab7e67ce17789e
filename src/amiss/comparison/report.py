"""A comparison in a folder: kept up to date while it goes on, and whole at its end."""

import csv
import io
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

from amiss.comparison.display import TEXT_COLUMNS, notes, sheets
from amiss.comparison.files import replacing
from amiss.comparison.results import METRICS, Comparison, plain
from amiss.core.errors import AmissError, BackendError, ParameterError

__all__ = ["Recorder", "as_csv", "as_markdown", "save"]


class Recorder:
    """Keeps a folder up to date while a comparison goes on.

    Each epoch adds a line to events.jsonl, and each run renews results.json, so that nothing but a run that
    was going on is lost when the process is killed. Without a folder nothing is written.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, known: bool = False) -> None:
        self.folder = None if folder is None else Path(folder)
        self.stream = None
        if self.folder is None:
            return
        if not known and (self.folder / "results.json").exists():
            raise ParameterError(
                f"out must be a folder without results; {folder} has some. Choose another, or resume it."
            )
        _make(self.folder)

    def event(self, event: dict[str, Any]) -> None:
        """Add one line."""
        if self.folder is None:
            return
        if self.stream is None:
            self.stream = open(self.folder / "events.jsonl", "a", encoding="utf-8")  # noqa: SIM115
        self.stream.write(_line(event))
        self.stream.flush()

    def update(self, comparison: Comparison) -> None:
        """Renew results.json."""
        if self.folder is not None:
            _write(self.folder / "results.json", _document(comparison))

    def finish(self, comparison: Comparison) -> None:
        """Write everything."""
        self.close()
        if self.folder is not None:
            save(comparison, self.folder)

    def close(self) -> None:
        """Close events.jsonl."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None


def save(comparison: Comparison, folder: Path) -> Path:
    """Write results.json, results.csv, events.jsonl, and last, with matplotlib, the curves and report.md."""
    _make(folder)
    _write(folder / "results.csv", as_csv(comparison))
    results = (*comparison.search, *comparison.runs)
    _write(folder / "events.jsonl", "".join(_line(event) for result in results for event in result.events()))
    _write(folder / "results.json", _document(comparison))
    pictures = _pictures(comparison)
    for kind, picture in pictures.items():
        with replacing(folder / f"curves.{kind}") as stream:
            stream.write(picture)
    _write(folder / "report.md", as_markdown(comparison, bool(pictures)))
    return folder


def _pictures(comparison: Comparison) -> dict[str, bytes]:
    """Return the curves as png and svg; none without matplotlib, or, with a warning, if drawing fails."""
    pictures = {}
    try:
        from amiss.plot.curves import save_figure

        figure = comparison.plot()
        for kind in ("png", "svg"):
            stream = io.BytesIO()
            save_figure(figure, stream, kind)
            pictures[kind] = stream.getvalue()
    except BackendError:
        return {}
    except Exception as error:  # whatever matplotlib says: a picture is not worth the results
        reason = f"{type(error).__name__}: {error}"
        warnings.warn(
            f"The curves could not be drawn; all else is kept. {reason}", RuntimeWarning, stacklevel=4
        )
        return {}
    return pictures


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AmissError(
            f"{folder} must be a folder to write to; {error.strerror}. Choose another."
        ) from None


def _write(path: Path, text: str) -> None:
    with replacing(path, "w") as stream:
        stream.write(text)


def _line(event: dict[str, Any]) -> str:
    return json.dumps(plain(event)) + "\n"


def _document(comparison: Comparison) -> str:
    return json.dumps(comparison.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(comparison: Comparison) -> str:
    """Return one line for each run, with its metrics; empty cells where a run has none."""
    metrics = METRICS[comparison.task]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("loss", "seed", "status", "learning_rate", *metrics, "epochs", "train_loss_own_units", "seconds")
    )
    for result in comparison.runs:
        values = [result.metrics.get(metric, "") for metric in metrics]
        last = result.history["loss"][-1] if result.epochs else ""
        writer.writerow(
            (
                result.loss,
                result.seed,
                result.status,
                result.learning_rate,
                *values,
                result.epochs,
                last,
                result.seconds,
            )
        )
    return out.getvalue()


def as_markdown(comparison: Comparison, pictures: bool = True) -> str:
    """Return a report: tables, curves, notes, and the command that does the same again."""
    parts = [f"# {_escaped(comparison.data['name'])}: {', '.join(comparison.settings.losses)}"]
    for sheet in sheets(comparison):
        rule = ["---" if head in TEXT_COLUMNS else "---:" for head in sheet.heads]
        lines = [[_escaped(cell) for cell in line] for line in (sheet.heads, rule, *sheet.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"## {_escaped(sheet.title)}\n\n{table}")
    if pictures:
        parts.append("![Loss, held-out metric and gradient norm over the epochs](curves.svg)")
    parts.append("\n".join(f"- {_escaped(note)}" for note in notes(comparison)))
    if comparison.settings.command:
        parts.append(f"To repeat it:\n\n```sh\n{comparison.settings.command}\n```")
    return "\n\n".join(parts) + "\n"


def _escaped(text: str) -> str:
    """Return text for one line of Markdown, in which it starts no cell, tag, formula or code."""
    return re.sub(r"([\\|<$`])", r"\\\1", " ".join(text.split()))
