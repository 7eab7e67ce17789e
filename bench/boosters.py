"""What a custom objective costs over the built-in one: rounds of trees on a large table, interleaved.

python -m bench.boosters                                   # a million rows, 50 rounds, XGBoost and LightGBM
python -m bench.boosters --columns 10 --booster catboost

Beside both stands a replay: it computes nothing, and hands over in each round what the objective found there
in a run before. What that costs is the booster's own: how it takes derivatives from outside, and what it does
not know of them: LightGBM knows that its own squared error has a constant Hessian. No objective costs less.
"""

import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np

import amiss

TRAINING = {
    "xgboost": "reg:squarederror binary:logistic",
    "lightgbm": "regression binary",
    "catboost": "RMSE Logloss",
}
THREADS = 2
LOSSES = (amiss.SquaredError(), amiss.BinaryCrossEntropy())


class Replay:
    """The derivatives of each round of a run, handed over again without computing anything."""

    def __init__(self, objective: Any) -> None:
        self.objective, self.kept, self.turn = objective, [], 0

    def __deepcopy__(self, memo: Any) -> "Replay":
        return self  # LightGBM copies its parameters

    def record(self, *given: Any) -> Any:
        self.kept.append(self.objective(*given))
        return self.kept[-1]

    def __call__(self, *_: Any) -> Any:
        self.turn += 1
        return self.kept[(self.turn - 1) % len(self.kept)]


def table(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels of 0 and 1 that depend on three of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=rows) > 0).astype(np.float32)


def in_xgboost(x: np.ndarray, y: np.ndarray, loss: Any, name: str, rounds: int) -> list[Callable[[], Any]]:
    import xgboost

    from amiss.xgboost import objective

    data = xgboost.QuantileDMatrix(x, y)
    custom, chosen = objective(loss), {"max_depth": 6, "nthread": THREADS}
    replay, started = Replay(custom), {**chosen, **custom.parameters(y)}
    xgboost.train(started, data, rounds, obj=replay.record)
    return [
        lambda: xgboost.train(started, data, rounds, obj=custom),
        lambda: xgboost.train({**chosen, "objective": name}, data, rounds),
        lambda: xgboost.train(started, data, rounds, obj=replay),
    ]


def in_lightgbm(x: np.ndarray, y: np.ndarray, loss: Any, name: str, rounds: int) -> list[Callable[[], Any]]:
    import lightgbm

    from amiss.lightgbm import objective

    custom, chosen = objective(loss), {"verbosity": -1, "num_threads": THREADS}
    replay = Replay(custom)
    data = lightgbm.Dataset(x, y).construct()
    started = lightgbm.Dataset(x, y, init_score=custom.start(y), reference=data).construct()
    asked = {**chosen, **custom.parameters(y)}
    lightgbm.train({**asked, "objective": replay.record}, started, rounds)
    return [
        lambda: lightgbm.train(asked, started, rounds),
        lambda: lightgbm.train({**chosen, "objective": name}, data, rounds),
        lambda: lightgbm.train({**asked, "objective": replay}, started, rounds),
    ]


def in_catboost(x: np.ndarray, y: np.ndarray, loss: Any, name: str, rounds: int) -> list[Callable[[], Any]]:
    import catboost

    from amiss.catboost import metric, objective

    steps = {"leaf_estimation_method": "Newton", "leaf_estimation_iterations": 1, "iterations": rounds}
    chosen = {
        **steps,
        "boosting_type": "Plain",
        "thread_count": THREADS,
        "allow_writing_files": False,
        "logging_level": "Silent",
    }
    custom = {"loss_function": objective(loss), "eval_metric": metric(loss)}
    data = catboost.Pool(x, y, baseline=np.full(len(y), objective(loss).initial_score(y)))
    return [
        lambda: catboost.CatBoost({**chosen, **custom}).fit(data),
        lambda: catboost.CatBoost({**chosen, "loss_function": name}).fit(data),
    ]


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@click.command()
@click.option("--rows", default=1_000_000)
@click.option("--columns", default=28)
@click.option("--rounds", default=50)
@click.option("--repeats", default=5)
@click.option("--booster", "boosters", multiple=True, default=("xgboost", "lightgbm"))
def main(rows: int, columns: int, rounds: int, repeats: int, boosters: tuple[str, ...]) -> None:
    """Print the seconds of each objective, and the median of the ratios to the built-in one."""
    x, y = table(rows, columns)
    print(f"{rows:,} rows, {columns} columns, {rounds} rounds, {THREADS} threads")
    for booster in boosters:
        contestants = {"xgboost": in_xgboost, "lightgbm": in_lightgbm, "catboost": in_catboost}[booster]
        for loss, name in zip(LOSSES, TRAINING[booster].split(), strict=True):
            each = contestants(x, y, loss, name, rounds)
            taken = np.array([[seconds(run) for run in each] for _ in range(repeats)])
            medians, ratios = np.median(taken, axis=0), np.median(taken / taken[:, 1:2], axis=0)
            shown = f"amiss {medians[0]:.2f} s, built-in {medians[1]:.2f} s, amiss / built-in {ratios[0]:.2f}"
            least = f", replay / built-in {ratios[2]:.2f}" if len(each) > 2 else ""
            print(f"{booster} {name}: {shown}{least}", flush=True)


if __name__ == "__main__":
    main()
