"""Compare losses on the workers of a Dask scheduler: the same numbers as on one machine.

Here the scheduler and its two workers are processes of this machine. Elsewhere `dask scheduler` starts the
one and `dask worker tcp://HOST:8786` the others, each where amiss is installed.
"""

from dask.distributed import LocalCluster

import amiss

if __name__ == "__main__":  # workers import this file
    given = {"losses": ["ce", "mse", "hinge"], "data": "digits", "repeats": 2, "epochs": 10, "hidden": 32}
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        spread = amiss.compare(**given, cluster=cluster.scheduler_address)
    print(spread.table())

    alone = amiss.compare(**given)
    same = [run.metrics for run in spread.runs] == [run.metrics for run in alone.runs]
    print(f"the same as in one process: {same}")
