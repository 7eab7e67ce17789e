"""Losses as objectives, metrics and estimators of XGBoost."""

from amiss.boosting.importing import require

require("xgboost", "boost")

from amiss.xgboost.estimators import Classifier, Regressor  # noqa: E402
from amiss.xgboost.objective import XGBoostMetric, XGBoostObjective, metric, objective  # noqa: E402

__all__ = ["Classifier", "Regressor", "XGBoostMetric", "XGBoostObjective", "metric", "objective"]
