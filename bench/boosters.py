"""What a custom objective costs over the built-in one: rounds of trees on a large table, interleaved.

python -m bench.boosters                                   # a million rows, 50 rounds, XGBoost and LightGBM
python -m bench.boosters --rows 100000 --booster catboost
"""

import statistics
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


def table(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ten features and labels of 0 and 1 that depend on some of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 10)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=rows) > 0).astype(np.float32)


def in_xgboost(x: np.ndarray, y: np.ndarray, loss: Any, name: str, rounds: int) -> list[Callable[[], Any]]:
    import xgboost

    from amiss.xgboost import objective

    data = xgboost.QuantileDMatrix(x, y)
    custom, chosen = objective(loss), {"max_depth": 6, "nthread": THREADS}
    return [
        lambda: xgboost.train({**chosen, **custom.parameters(y)}, data, rounds, obj=custom),
        lambda: xgboost.train({**chosen, "objective": name}, data, rounds),
    ]


def in_lightgbm(x: np.ndarray, y: np.ndarray, loss: Any, name: str, rounds: int) -> list[Callable[[], Any]]:
    import lightgbm

    from amiss.lightgbm import objective

    custom, chosen = objective(loss), {"verbosity": -1, "num_threads": THREADS}
    data = lightgbm.Dataset(x, y).construct()
    started = lightgbm.Dataset(x, y, init_score=custom.start(y), reference=data).construct()
    return [
        lambda: lightgbm.train({**chosen, **custom.parameters(y)}, started, rounds),
        lambda: lightgbm.train({**chosen, "objective": name}, data, rounds),
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
@click.option("--rounds", default=50)
@click.option("--repeats", default=3)
@click.option("--booster", "boosters", multiple=True, default=("xgboost", "lightgbm"))
def main(rows: int, rounds: int, repeats: int, boosters: tuple[str, ...]) -> None:
    """Print the seconds of both objectives and the median of their ratios."""
    x, y = table(rows)
    for booster in boosters:
        contestants = {"xgboost": in_xgboost, "lightgbm": in_lightgbm, "catboost": in_catboost}[booster]
        for loss, name in zip(LOSSES, TRAINING[booster].split(), strict=True):
            custom, built_in = contestants(x, y, loss, name, rounds)
            pairs = [(seconds(custom), seconds(built_in)) for _ in range(repeats)]
            ratio = statistics.median(ours / theirs for ours, theirs in pairs)
            shown = ", ".join(f"{ours:.1f} s / {theirs:.1f} s" for ours, theirs in pairs)
            print(f"{booster} {name}: custom / built-in = {ratio:.2f} ({shown})", flush=True)


if __name__ == "__main__":
    main()
