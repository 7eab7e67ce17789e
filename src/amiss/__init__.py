"""amiss: how wrong is your model, and what does being wrong do to it?

A loss is written down once, as a formula. From it come value, gradient and Hessian on NumPy, PyTorch, JAX
and TensorFlow arrays, a compiled kernel, its LaTeX, and its checked facts.

Examples:
    >>> import amiss
    >>> loss = amiss.Huber(delta=1.0)
    >>> loss.gradient([3.0, 0.5], [0.0, 0.0], reduction="sum")  # clip(error, -1, 1)
    array([1. , 0.5])
"""

import importlib
from typing import TYPE_CHECKING, Any

from amiss.core import Combination, Facts, Loss, Total, checks
from amiss.core.errors import (
    AmissError,
    BackendError,
    DomainError,
    DTypeError,
    ParameterError,
    ShapeError,
)
from amiss.core.targets import one_hot
from amiss.kernels import threads
from amiss.losses import *  # noqa: F403 - the catalogue; its stub names every loss
from amiss.losses import __all__ as _losses
from amiss.losses._linear import LinearCrossEntropy
from amiss.naming import catalogue, get

if TYPE_CHECKING:
    from amiss.authoring.compiling import compile
    from amiss.authoring.defining import define
    from amiss.authoring.properties import properties
    from amiss.comparison import Comparison, compare
    from amiss.core.baselines import baseline
    from amiss.identification.identifying import identify
    from amiss.parities.parities import parity
    from amiss.tracing.traces import trace

__version__ = "0.1.0"

__all__ = [  # noqa: PLE0604 - names, partly computed
    "AmissError",
    "BackendError",
    "Combination",
    "Comparison",
    "DTypeError",
    "DomainError",
    "Facts",
    "LinearCrossEntropy",
    "Loss",
    "ParameterError",
    "ShapeError",
    "Total",
    "baseline",
    "catalogue",
    "checks",
    "compare",
    "compile",
    "define",
    "get",
    "identify",
    "one_hot",
    "parity",
    "properties",
    "threads",
    "trace",
    *_losses,
]

_LATER = {
    "baseline": "amiss.core.baselines",
    "compare": "amiss.comparison",
    "Comparison": "amiss.comparison",
    "compile": "amiss.authoring.compiling",
    "define": "amiss.authoring.defining",
    "identify": "amiss.identification.identifying",
    "parity": "amiss.parities.parities",
    "properties": "amiss.authoring.properties",
    "trace": "amiss.tracing.traces",
}
"""Names that are imported when they are first used, since what they need is slow to import."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'amiss' has no attribute {name!r}")
