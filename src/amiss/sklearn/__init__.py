"""Losses as metrics and scorers of scikit-learn."""

from amiss.boosting.importing import require

require("sklearn", "data")

from amiss.sklearn.metrics import SklearnMetric, metric  # noqa: E402
from amiss.sklearn.scorers import Scorer, scorer  # noqa: E402

__all__ = ["Scorer", "SklearnMetric", "metric", "scorer"]
