"""The comparison: the same network, data, first weights and batches for every loss."""

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from typing import Any

from amiss.authoring.defining import read_loss
from amiss.comparison.cluster import Cluster
from amiss.comparison.constants import constant_of
from amiss.comparison.data import DataSet
from amiss.comparison.report import Recorder
from amiss.comparison.results import Comparison, about
from amiss.comparison.runs import Report, Run
from amiss.comparison.settings import OPTIMIZERS, Settings
from amiss.comparison.setups import Entrant, enter
from amiss.comparison.sources import load
from amiss.comparison.workers import train_all
from amiss.core import Loss
from amiss.core.errors import ParameterError
from amiss.naming import get, label_of

__all__ = ["Interrupted", "compare"]

_USUAL = {"classification": ("ce", "mse", "mae", "hinge"), "regression": ("mse", "mae", "huber")}
_REACH = {"classification": 0.9, "regression": None}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a comparison; `comparison` holds what was finished."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__("the comparison was interrupted")
        self.comparison = comparison


def compare(
    losses: Sequence[str | Loss | Entrant] | None = None,
    data: str | os.PathLike[str] | DataSet | None = None,
    *,
    repeats: int = 3,
    seed: int = 0,
    hidden: int | Sequence[int] = (64,),
    epochs: int = 30,
    batch_size: int = 32,
    optimizer: str = "adam",
    learning_rate: float | str | None = None,
    reach: float | None = None,
    target: str | None = None,
    task: str | None = None,
    data_folder: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    cluster: str | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    progress: Report | None = None,
) -> Comparison:
    """Train one network with several losses and compare what they make of the same data.

    At the same seed every loss starts from the same weights and sees the same batches in the same order. The
    losses are ranked by metrics on held-out rows, never by their own values, whose units differ. What output
    and what targets each loss gets is listed in `amiss.comparison.setups.SETUPS`, and shown.

    Args:
        losses: spellings of `amiss.get`, also with parameters as in "huber(delta=2)", or losses. By default
            cross-entropy, MSE, MAE and hinge for classes; MSE, MAE and Huber for a regression.
        data: a data set, its name, or the path of a file of one's own, as `amiss.comparison.load` takes
            it; "digits" by default.
        repeats: how many seeds.
        seed: the first of them.
        hidden: widths of the hidden layers; () for none.
        epochs: how many times to go through the training rows.
        batch_size: rows per step.
        optimizer: "adam", "sgd" or "momentum".
        learning_rate: a number; "auto" searches one for each loss on a part of the training rows; None is the
            optimiser's usual one.
        reach: the accuracy to count epochs to, 0.9 by default; for a regression the RMSE to come down to.
        target: the column or array of targets in a file of one's own.
        task: "classification" or "regression", where it is guessed wrong.
        data_folder: where downloaded data sets are kept.
        jobs: how many processes train at once, 1 by default; the results do not depend on it.
        executor: a `concurrent.futures.Executor` that trains instead, wherever its workers are; each run
            takes the data along, and its epochs are reported when it is over.
        cluster: the address of a Dask scheduler whose workers train instead; each gets the data once, epochs
            are reported live, and what a worker was doing when it died is done again by another.
        out: a folder that is kept up to date while the comparison goes on.
        resume: a folder of an earlier comparison: its settings are taken, its finished runs kept, the missing
            ones trained, and the folder completed.
        progress: called with a dictionary at the start of each phase, after each epoch and after each run.

    Returns:
        The comparison, ranked.

    Raises:
        ParameterError: an argument is not one of those allowed.
        DomainError: the data, or a folder to resume, cannot be used.
        BackendError: a package is missing; the message names the extra to install. Or a worker of the cluster
            lacks amiss.
        Interrupted: a `KeyboardInterrupt`, after Ctrl-C; what is finished is saved, and in its `comparison`.

    Examples:
        >>> import amiss
        >>> comparison = amiss.compare(["ce", "mse"], data="iris", repeats=2, epochs=3)
        >>> [run.seed for run in comparison.runs], comparison.setup[1]["target"]
        ([0, 0, 1, 1], 'one-hot')
    """
    earlier = None if resume is None else Comparison.load(resume)
    if earlier is not None:
        if out is not None:
            raise ParameterError(
                "out must not be given with resume; results go to the folder that is resumed."
            )
        data, target, task, losses = _as_before(earlier, data, target, task, losses)
    data = "digits" if data is None else data
    given = [_read(loss) for loss in _listed(losses)]
    settings = Settings(
        losses=tuple(map(_label, given)) or ("those that are usual for the task",),
        data=None if isinstance(data, DataSet) else os.fspath(data),
        target=target,
        task=task,
        repeats=repeats,
        seed=seed,
        hidden=(hidden,) if isinstance(hidden, int) else tuple(hidden),
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        reach=reach,
    )
    _check_who_trains(jobs, executor, cluster)
    with nullcontext(executor) if cluster is None else Cluster(cluster) as workers:
        loaded = load(data, target, task, folder=data_folder)  # the slow part: all else is checked before
        entrants = [enter(loss, loaded.task) for loss in given or _USUAL[loaded.task]]
        settings = replace(
            settings,
            losses=tuple(entrant.label for entrant in entrants),
            reach=_REACH[loaded.task] if reach is None else reach,
        ).checked_for(loaded.task)
        setup = tuple({"loss": e.label, "output": e.output, "target": e.target} for e in entrants)
        constants = tuple(constant_of(entrant, loaded) for entrant in entrants)
        comparison = Comparison(settings, about(loaded), setup, constants=constants)
        if earlier is not None:
            comparison = _resumed(earlier, comparison)
        recorder = Recorder(out if resume is None else resume, resume is not None)
        return _Work(
            comparison, entrants, loaded, recorder, progress or _silent, jobs or 1, workers
        ).complete()


def _check_who_trains(jobs: Any, executor: Any, cluster: Any) -> None:
    """Raise unless at most one of them is given, and as it should be."""
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise ParameterError(f"jobs must be a whole number of at least 1; got {jobs!r}.")
    if executor is not None and not isinstance(executor, Executor):
        raise ParameterError(
            f"executor must be a concurrent.futures.Executor; got {type(executor).__name__}. "
            "For Dask give cluster=ADDRESS."
        )
    if cluster is not None and not isinstance(cluster, str):
        raise ParameterError(
            f"cluster must be the address of a Dask scheduler; got {type(cluster).__name__}. "
            "A distributed.Client has it as client.scheduler.address."
        )
    if executor is not None and cluster is not None:
        raise ParameterError("executor must not be given with cluster; one of them trains.")
    if jobs is not None and (executor is not None or cluster is not None):
        who = "cluster" if executor is None else "executor"
        raise ParameterError(
            f"jobs must not be given with {who}; it counts processes of this machine, and the workers of the "
            f"{who} say by themselves how many runs go on at once."
        )


def _silent(event: dict[str, Any]) -> None:
    """Report nothing."""


def _listed(losses: Any) -> list[str | Loss | Entrant]:
    if losses is None:
        return []
    return [losses] if isinstance(losses, str | Loss | Entrant) else list(losses)


def _read(loss: str | Loss | Entrant) -> Loss | Entrant:
    return read_loss(loss) if isinstance(loss, str) else loss


def _label(loss: Loss | Entrant) -> str:
    return loss.label if isinstance(loss, Entrant) else label_of(get(loss))


def _as_before(
    earlier: Comparison, data: Any, target: Any, task: Any, losses: Any
) -> tuple[Any, Any, Any, Any]:
    """Return data, target, task and losses, taken from an earlier comparison where they are not given."""
    settings = earlier.settings
    data = settings.data if data is None else data
    if data is None:
        raise ParameterError("resume: data must be given again, since they were in memory only; got none.")
    if losses is None:
        losses = [Entrant(read_loss(row["loss"]), row["output"], row["target"]) for row in earlier.setup]
    return data, target or settings.target, task or settings.task, losses


def _resumed(earlier: Comparison, new: Comparison) -> Comparison:
    """Return the earlier comparison without what was interrupted, if the new one is about the same."""
    usual = Settings(losses=new.settings.losses, data=new.settings.data, reach=_REACH[new.task])
    for field in fields(Settings):
        said, before = getattr(new.settings, field.name), getattr(earlier.settings, field.name)
        if said not in (before, getattr(usual, field.name)):
            raise ParameterError(
                f"resume: {field.name} must be {before!r}, as in the comparison to resume; got {said!r}. "
                "Leave it out, or begin a new comparison."
            )
    if earlier.data["fingerprint"] != new.data["fingerprint"]:
        raise ParameterError(
            f"resume: the data must be those of the comparison to resume; {new.data['name']} differs. "
            "Begin a new comparison."
        )
    if earlier.setup != new.setup:
        raise ParameterError("resume: losses must be those of the comparison to resume. Leave them out.")
    kept = {
        name: tuple(result for result in getattr(earlier, name) if result.status != "interrupted")
        for name in ("search", "runs")
    }
    return replace(new, settings=earlier.settings, **kept)


@dataclass
class _Work:
    """Carries out what is missing of a comparison."""

    comparison: Comparison
    entrants: list[Entrant]
    data: DataSet
    recorder: Recorder
    progress: Report
    jobs: int
    executor: Executor | Cluster | None

    def complete(self) -> Comparison:
        """Search learning rates if asked to, train, and return the comparison."""
        settings = self.comparison.settings
        self.recorder.update(self.comparison)
        try:
            if settings.learning_rate == "auto":
                grid = OPTIMIZERS[settings.optimizer].grid
                tries = [(entrant, settings.seed, rate) for entrant in self.entrants for rate in grid]
                self._train("search", [Run(*one, settings, "validation") for one in tries])
            rates = self.comparison.rates()
            tests = [
                (entrant, seed, rates[entrant.label]) for seed in settings.seeds for entrant in self.entrants
            ]
            self._train("runs", [Run(*one, settings) for one in tests])
        except KeyboardInterrupt:
            self.recorder.finish(self.comparison)
            raise Interrupted(self.comparison) from None
        finally:
            self.recorder.close()
        self.recorder.finish(self.comparison)
        return self.comparison

    def _train(self, phase: str, runs: list[Run]) -> None:
        """Train those of the runs that are not done yet, and put all results in order."""
        done = {result.key: result for result in getattr(self.comparison, phase)}
        missing = [run for run in runs if run.key not in done]
        epochs = self.comparison.settings.epochs
        self.progress(
            {"event": "start", "phase": phase, "runs": len(missing), "epochs": len(missing) * epochs}
        )
        for result in train_all(missing, self.data, self._report, self.jobs, self.executor):
            done[result.key] = result
            ordered = tuple(done[run.key] for run in runs if run.key in done)
            self.comparison = replace(self.comparison, **{phase: ordered})
            self.recorder.update(self.comparison)
            self.progress({"event": "run", **result.to_dict()})
        if any(result.status == "interrupted" for result in done.values()) or len(done) < len(runs):
            raise KeyboardInterrupt

    def _report(self, event: dict[str, Any]) -> None:
        self.recorder.event(event)
        self.progress(event)
