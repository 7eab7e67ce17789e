"""What came of a comparison: results, their summary, and the document that keeps them."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from amiss.comparison.constants import Constant
from amiss.comparison.data import DataSet
from amiss.comparison.files import reading, regular_file
from amiss.comparison.runs import Result
from amiss.comparison.settings import Settings
from amiss.core.errors import DomainError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderResult

__all__ = ["HIGHER_IS_BETTER", "METRICS", "Comparison", "about", "plain"]

SCHEMA_VERSION = 1

METRICS = {"classification": ("accuracy",), "regression": ("rmse", "mae", "r2")}
"""What is measured on held-out rows; the first one ranks."""

HIGHER_IS_BETTER = {"accuracy": True, "rmse": False, "mae": False, "r2": True}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The results of several losses on the same data.

    Print `table()`, look at `plot()`, keep with `save(folder)`.

    Attributes:
        settings: what all runs had in common.
        data: what the data were: name, source, task, rows, and a fingerprint of every number in them.
        setup: for each loss its text (`loss`), the activation of the output, and the coding of the targets.
        runs: the results, in the order of their seeds.
        search: the results of the search for learning rates.
        constants: for each loss what the best constant output costs, and what a first loss should be; empty
            for a comparison that was saved before these were kept.
    """

    settings: Settings
    data: dict[str, Any]
    setup: tuple[dict[str, str], ...]
    runs: tuple[Result, ...] = ()
    search: tuple[Result, ...] = field(default=())
    constants: tuple[Constant, ...] = field(default=())

    @property
    def task(self) -> str:
        """Classification, or regression."""
        return self.data["task"]

    @property
    def metric(self) -> str:
        """The metric that ranks: accuracy, or rmse."""
        return METRICS[self.task][0]

    @property
    def status(self) -> str:
        """Return "finished", "diverged" if some run did, or "interrupted" if some run is missing."""
        done = [result.status for result in self.runs]
        if "interrupted" in done or len(done) < self.settings.repeats * len(self.settings.losses):
            return "interrupted"
        return "diverged" if "diverged" in done else "finished"

    def rates(self) -> dict[str, float]:
        """Return the learning rate of each loss: the one set, or the best one of the search."""
        if self.settings.learning_rate != "auto":
            return dict.fromkeys(self.settings.losses, self.settings.learning_rate)
        rates = {}
        for loss in self.settings.losses:
            tried = [result for result in self.search if result.loss == loss]
            if tried:
                rates[loss] = min(tried, key=self._merit).learning_rate
        return rates

    def _merit(self, result: Result) -> tuple[bool, float, float]:
        value = result.metrics.get(self.metric, math.nan)
        value = -value if HIGHER_IS_BETTER[self.metric] else value
        return math.isnan(value), 0.0 if math.isnan(value) else value, result.learning_rate

    def summary(self) -> list[dict[str, Any]]:
        """Return one row for each loss, the best held-out metric first; numbers are means over its seeds.

        A loss some of whose runs diverged comes after those that always finished. Differences to the first
        row are paired: they are taken seed by seed.
        """
        rates = self.rates()
        rows = [self._row(loss, rates.get(loss, math.nan)) for loss in self.settings.losses]
        sign = -1 if HIGHER_IS_BETTER[self.metric] else 1
        rows.sort(key=lambda row: _rank(row, sign * row[f"{self.metric}_mean"]))
        best = self._by_seed(rows[0]["loss"])
        for rank, row in enumerate(rows, start=1):
            own = self._by_seed(row["loss"])
            row["difference_mean"], row["difference_sd"] = _mean_sd(
                [own[seed] - best[seed] for seed in own if seed in best]
            )
            row["rank"] = rank
        return rows

    def _by_seed(self, loss: str) -> dict[int, float]:
        return {r.seed: r.metrics[self.metric] for r in self.runs if r.loss == loss and r.metrics}

    def _row(self, loss: str, learning_rate: float) -> dict[str, Any]:
        results = [result for result in self.runs if result.loss == loss]
        finished = [result for result in results if result.status == "finished"]
        row: dict[str, Any] = {"loss": loss, "runs": len(results), "finished": len(finished)}
        for status in ("diverged", "interrupted"):
            row[status] = sum(result.status == status for result in results)
        for metric in METRICS[self.task]:
            row[f"{metric}_mean"], row[f"{metric}_sd"] = _mean_sd([r.metrics[metric] for r in finished])
        reached = [epoch for result in finished if (epoch := self._reached(result))]
        row["reached"], row["epochs_to_reach"] = len(reached), _mean_sd(reached)[0]
        row["gradient_norm_start"] = _mean_sd(_ends(results, "gradient_norm", 0))[0]
        row["baseline_own_units"], row["start_own_units"] = (
            self.constant(loss).value,
            self.constant(loss).start,
        )
        row["train_loss_own_units"] = _mean_sd(_ends(finished, "loss", -1))[0]
        row["heldout_loss_own_units"] = _mean_sd(_ends(finished, "val_loss", -1))[0]
        row["epochs"] = sum(result.epochs for result in results)
        row["seconds_per_epoch"] = _mean_sd([s for r in results for s in r.history.get("seconds", ())])[0]
        row["seconds"] = float(sum(result.seconds for result in results))
        row["learning_rate"] = learning_rate
        return row

    def constant(self, loss: str) -> Constant:
        """Return the baseline of a loss; its numbers are NaN where it has none."""
        return next((found for found in self.constants if found.loss == loss), Constant(loss))

    def _reached(self, result: Result) -> int | None:
        """Return the first epoch after which the metric was as good as `settings.reach`."""
        goal = self.settings.reach
        if goal is None:
            return None
        values = np.asarray(result.history[f"val_{self.metric}"])
        good = np.flatnonzero(values >= goal if HIGHER_IS_BETTER[self.metric] else values <= goal)
        return int(good[0]) + 1 if len(good) else None

    def notes(self) -> list[str]:
        """Return what to know before reading anything into the numbers."""
        from amiss.comparison.display import notes

        return notes(self)

    def table(self, width: int = 80) -> str:
        """Return the results as text, at most `width` columns wide if the names of the losses allow it."""
        from amiss.comparison.display import as_text

        return as_text(self, width)

    def plot(self) -> "Figure":
        """Return a figure: loss in its own units, held-out metric and gradient norm over the epochs.

        Raises:
            BackendError: matplotlib is missing.
        """
        from amiss.comparison.display import figure

        return figure(self)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write results.json, results.csv, events.jsonl, curves.png, curves.svg and report.md into a folder.

        Each file is replaced whole. Without matplotlib there are no pictures.
        """
        from amiss.comparison.report import save

        return save(self, Path(folder))

    def to_dict(self) -> dict[str, Any]:
        """Return a document of plain values for JSON; what is not a finite number is None."""
        import amiss

        document = {
            "schema_version": SCHEMA_VERSION,
            "amiss_version": amiss.__version__,
            "task": self.task,
            "status": self.status,
            "command": self.settings.command,
            "data": self.data,
            "settings": asdict(self.settings),
            "setup": self.setup,
            "baselines": [asdict(constant) for constant in self.constants],
            "search": [result.to_dict() for result in self.search],
            "runs": [result.to_dict() for result in self.runs],
            "summary": self.summary(),
            "notes": self.notes(),
        }
        return plain(document)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Comparison":
        """Return the comparison that `to_dict` wrote down."""
        settings = {f.name: document["settings"][f.name] for f in fields(Settings)}
        settings |= {name: tuple(settings[name]) for name in ("losses", "hidden")}
        return cls(
            settings=Settings(**settings),
            data=dict(document["data"]),
            setup=tuple(
                {key: str(row[key]) for key in ("loss", "output", "target")} for row in document["setup"]
            ),
            runs=tuple(map(_result, document["runs"])),
            search=tuple(map(_result, document["search"])),
            constants=tuple(map(_constant, document.get("baselines", ()))),
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Comparison":
        """Return the comparison that `save` wrote into a folder.

        Raises:
            ParameterError: there is no results.json.
            DomainError: it is damaged, or of a newer amiss.
        """
        path = regular_file(Path(folder) / "results.json")
        with reading(path):
            document = json.loads(path.read_bytes())
            version = document["schema_version"]
            if version > SCHEMA_VERSION:
                raise DomainError(
                    f"{path} must have schema version {SCHEMA_VERSION}, or less; it has {version}. Upgrade."
                )
            return cls.from_dict(document)

    def __repr__(self) -> str:
        losses = ", ".join(self.settings.losses)
        return f"<Comparison of {losses} on {self.data['name']}, {len(self.runs)} runs, {self.status}>"

    def _repr_html_(self) -> str:
        from amiss.comparison.display import as_html

        return as_html(self)

    def __rich_console__(self, console: Any, options: Any) -> "RenderResult":
        from amiss.comparison.display import renderables

        yield from renderables(self, options.max_width)


def about(data: DataSet) -> dict[str, Any]:
    """Return the facts about a data set that a document keeps."""
    return {
        "name": data.name,
        "source": data.source,
        "task": data.task,
        "train_rows": len(data.x_train),
        "test_rows": len(data.x_test),
        "features": data.x_train.shape[1],
        "classes": list(data.classes) if data.classes else None,
        "target": data.target,
        "target_mean": data.target_mean,
        "target_sd": data.target_sd,
        "scaling": data.scaling,
        "notes": list(data.notes),
        "fingerprint": data.fingerprint,
    }


def _rank(row: dict[str, Any], merit: float) -> tuple[bool, bool, float]:
    """Order rows: all runs fine, some diverged, none finished; within these by merit, the least first."""
    return row["finished"] == 0, row["diverged"] > 0, 0.0 if math.isnan(merit) else merit


def _ends(results: Sequence[Result], name: str, place: int) -> list[float]:
    return [result.history[name][place] for result in results if result.history.get(name)]


def _mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation; NaN where there are too few values."""
    mean = float(np.mean(values)) if len(values) else math.nan
    return mean, float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _result(document: dict[str, Any]) -> Result:
    history = {name: list(map(_number, values)) for name, values in document["history"].items()}
    metrics = {name: _number(value) for name, value in document["metrics"].items()}
    given = {f.name: document[f.name] for f in fields(Result)}
    return Result(
        **{**given, "history": history, "metrics": metrics, "seconds": _number(document["seconds"])}
    )


def _constant(document: dict[str, Any]) -> Constant:
    numbers = {name: _number(document[name]) for name in ("value", "start")}
    return Constant(str(document["loss"]), **numbers, batches=bool(document["batches"]))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def plain(value: Any) -> Any:
    """Return a value for JSON: tuples become lists, and floats that are not finite become None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
