"""What a loss is: its bases, parameters, facts, checks, reductions and errors."""

from amiss.arrays.namespace import Array
from amiss.core.batches import BatchLoss
from amiss.core.checking import checks
from amiss.core.combination import Combination
from amiss.core.elementwise import ElementwiseLoss
from amiss.core.facts import Facts
from amiss.core.items import ClassItems, NumberItems
from amiss.core.loss import Loss
from amiss.core.parameters import (
    CLASSES,
    LOG_PROBABILITY,
    NON_NEGATIVE,
    NON_ZERO,
    OPEN_UNIT,
    POSITIVE,
    PROBABILITY,
    REAL,
    SHARE,
    SIGNS,
    Domain,
    option,
    parameter,
    setting,
)
from amiss.core.reduction import Total
from amiss.core.rows import ClassLoss, RowLoss, SoftmaxOptions

__all__ = [
    "CLASSES",
    "LOG_PROBABILITY",
    "NON_NEGATIVE",
    "NON_ZERO",
    "OPEN_UNIT",
    "POSITIVE",
    "PROBABILITY",
    "REAL",
    "SHARE",
    "SIGNS",
    "Array",
    "BatchLoss",
    "ClassItems",
    "ClassLoss",
    "Combination",
    "Domain",
    "ElementwiseLoss",
    "Facts",
    "Loss",
    "NumberItems",
    "RowLoss",
    "SoftmaxOptions",
    "Total",
    "checks",
    "option",
    "parameter",
    "setting",
]
