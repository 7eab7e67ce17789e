"""Losses as objectives, metrics and estimators of LightGBM."""

from amiss.boosting.importing import require

require("lightgbm", "boost")

from amiss.lightgbm.estimators import Classifier, Regressor  # noqa: E402
from amiss.lightgbm.objective import LightGBMMetric, LightGBMObjective, metric, objective  # noqa: E402

__all__ = ["Classifier", "LightGBMMetric", "LightGBMObjective", "Regressor", "metric", "objective"]
