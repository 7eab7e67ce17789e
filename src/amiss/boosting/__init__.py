"""What the gradient boosters share: derivatives of a loss, its initial score and link, estimators."""

from amiss.boosting.losses import check_boostable, name_of
from amiss.boosting.metric import Metric
from amiss.boosting.objective import BuiltIn, Objective
from amiss.boosting.scores import as_target, initial_score, inverse_link

__all__ = [
    "BuiltIn",
    "Metric",
    "Objective",
    "as_target",
    "check_boostable",
    "initial_score",
    "inverse_link",
    "name_of",
]
