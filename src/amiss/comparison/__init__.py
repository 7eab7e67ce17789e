"""Data sets, runs, results and reports: losses side by side."""

from amiss.comparison.comparing import Interrupted, compare
from amiss.comparison.data import DataSet, from_arrays
from amiss.comparison.downloads import fetch
from amiss.comparison.results import Comparison
from amiss.comparison.setups import Entrant
from amiss.comparison.sources import data_sets, load

__all__ = [
    "Comparison",
    "DataSet",
    "Entrant",
    "Interrupted",
    "compare",
    "data_sets",
    "fetch",
    "from_arrays",
    "load",
]
