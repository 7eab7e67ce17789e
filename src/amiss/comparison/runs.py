"""One run: a network that one loss trains from one seed. A run is a pure function of its description."""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from amiss.comparison.data import DataSet
from amiss.comparison.settings import OPTIMIZERS, Settings
from amiss.comparison.setups import Entrant, coded
from amiss.core.errors import BackendError

__all__ = ["Report", "Result", "Run", "train"]

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Run:
    """What one run needs to know, apart from the data.

    Attributes:
        entrant: the loss, with its output and targets.
        seed: fixes the first weights and the order of the batches, whatever the loss.
        learning_rate: that of the optimiser.
        settings: what all runs have in common.
        part: "test", or "validation" for a run in the search for a learning rate.
    """

    entrant: Entrant
    seed: int
    learning_rate: float
    settings: Settings
    part: str = "test"

    @property
    def key(self) -> tuple[str, int, float, str]:
        """What tells this run from the others of its comparison."""
        return self.entrant.label, self.seed, self.learning_rate, self.part


@dataclass(frozen=True)
class Result:
    """What came of one run.

    Attributes:
        loss: the loss, in text.
        seed: the seed.
        learning_rate: that of the optimiser.
        part: "test" or "validation": where `metrics` and ``val_...`` were measured.
        status: "finished", "diverged" or "interrupted".
        message: what ended the run early, or "".
        metrics: accuracy; or rmse and mae in the target's own unit, and r2. Empty unless finished.
        history: a list for each quantity, with one number per finished epoch; see `amiss.network.History`.
        seconds: wall time of the run.
    """

    loss: str
    seed: int
    learning_rate: float
    part: str
    status: str
    message: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = math.nan

    @property
    def key(self) -> tuple[str, int, float, str]:
        """The key of the run that this is the result of."""
        return self.loss, self.seed, self.learning_rate, self.part

    @property
    def epochs(self) -> int:
        """The epochs that were finished."""
        return len(self.history.get("loss", ()))

    def events(self) -> list[dict[str, Any]]:
        """Return one dictionary for each finished epoch: loss, seed, epoch, and what was measured."""
        return [
            _event(self, epoch, {name: values[epoch - 1] for name, values in self.history.items()})
            for epoch in range(1, self.epochs + 1)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a dictionary of plain values."""
        return asdict(self)


def _event(run: Any, epoch: int, numbers: dict[str, float]) -> dict[str, Any]:
    loss, seed, learning_rate, part = run.key
    about = {"loss": loss, "seed": seed, "learning_rate": learning_rate, "part": part}
    numbers = {"train_loss" if name == "loss" else name: number for name, number in numbers.items()}
    return {"event": "epoch", **about, "epoch": epoch, **numbers}


def train(
    run: Run, data: DataSet, report: Report | None = None, stopped: Callable[[], bool] | None = None
) -> Result:
    """Train one network and measure it on held-out rows.

    BLAS works in one thread, so that the result does not depend on how many runs go on at once.

    Args:
        run: what to do.
        data: what to learn from; the search for a learning rate sees its training rows only.
        report: called with a dictionary after each epoch.
        stopped: asked after each epoch whether to end the run there.

    Returns:
        The result, also of a run that diverged, or that Ctrl-C or `stopped` ended.
    """
    from threadpoolctl import threadpool_limits

    from amiss.network import Dense, Network

    if run.part == "validation":
        data = data.validation
    settings, entrant = run.settings, run.entrant
    widths = [data.x_train.shape[1], *settings.hidden]
    layers = [Dense(below, above, "relu") for below, above in pairwise(widths)]
    layers.append(Dense(widths[-1], len(data.classes or (0,)), entrant.output))
    network = Network(layers, seed=run.seed)

    def after_epoch(epoch: int, history: dict[str, list[float]], _: Network) -> bool:
        if report is not None:
            report(_event(run, epoch, {name: values[-1] for name, values in history.items()}))
        return epoch < settings.epochs and stopped is not None and stopped()

    began, status, message = time.perf_counter(), "interrupted", ""
    try:
        with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Network: fit ended early", RuntimeWarning
            )  # the status says it
            history = network.fit(
                data.x_train,
                coded(entrant, data, data.y_train),
                loss=entrant.loss,
                optimizer=OPTIMIZERS[settings.optimizer].make(run.learning_rate),
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                validation=(data.x_test, coded(entrant, data, data.y_test)),
                metrics=("accuracy",) if data.classes else (_rmse(data),),
                callback=after_epoch,
                progress=None,
            )
        if history.status == "diverged" or len(history["loss"]) == settings.epochs:
            status, message = history.status, history.message
    except KeyboardInterrupt:
        pass
    return Result(
        *run.key,
        status=status,
        message=message,
        metrics=measured(data, network.predict(data.x_test)) if status == "finished" else {},
        history=dict(network.history or {}),
        seconds=time.perf_counter() - began,
    )


def _rmse(data: DataSet) -> Callable[[np.ndarray, np.ndarray], float]:
    def rmse(output: np.ndarray, target: np.ndarray) -> float:
        error = output.astype(float).reshape(-1) - target.astype(float).reshape(-1)
        return data.target_sd * float(np.sqrt(np.mean(error * error)))

    return rmse


def measured(data: DataSet, output: np.ndarray) -> dict[str, float]:
    """Return the metrics of an output on the held-out rows: scikit-learn's.

    Shapes:
        output: (rows, K) scores, the largest of which says the class; or (rows, 1) standardised predictions.

    Raises:
        BackendError: scikit-learn is missing.
    """
    try:
        from sklearn import metrics
    except ImportError:
        raise BackendError(
            'Metrics need scikit-learn; it is not installed. pip install "amiss[data]"'
        ) from None
    if data.classes:
        return {"accuracy": float(metrics.accuracy_score(data.y_test, output.argmax(axis=1)))}
    target = data.y_test * data.target_sd + data.target_mean
    prediction = output[:, 0].astype(float) * data.target_sd + data.target_mean
    return {
        "rmse": float(metrics.root_mean_squared_error(target, prediction)),
        "mae": float(metrics.mean_absolute_error(target, prediction)),
        "r2": float(metrics.r2_score(target, prediction)),
    }
