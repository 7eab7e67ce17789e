"""Losses as objectives, metrics and estimators of CatBoost."""

from amiss.boosting.importing import require

require("catboost", "boost")

from amiss.catboost.estimators import Classifier, Regressor  # noqa: E402
from amiss.catboost.objective import (  # noqa: E402
    CatBoostClassObjective,
    CatBoostMetric,
    CatBoostObjective,
    metric,
    objective,
)

__all__ = [
    "CatBoostClassObjective",
    "CatBoostMetric",
    "CatBoostObjective",
    "Classifier",
    "Regressor",
    "metric",
    "objective",
]
