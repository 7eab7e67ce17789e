"""The picture of a trace: its steps as stages of a graph."""

import re
from typing import TYPE_CHECKING

import numpy as np

from amiss.core.errors import ParameterError
from amiss.plot.step_graph import Stage, draw_step
from amiss.tracing.network import subscript
from amiss.tracing.steps import Trace, TraceStep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["picture"]


def picture(trace: Trace, ax: "Axes | None" = None) -> "Axes":
    """Draw the graph of the step for the row of the trace."""
    names = {step.name: step for step in trace.steps}
    if "z1" not in names:
        raise ParameterError(
            "Trace: plot must be asked of a model; got a function, whose graph is not known."
        )
    last = max(int(name[1:]) for name in names if re.fullmatch(r"z\d+", name))

    def of_row(name: str) -> np.ndarray | None:
        return names[name].value[trace.row] if name in names else None

    stages = [Stage("x", of_row("x"))]
    for n in range(1, last + 1):
        k = subscript(n)
        weights = [(f"∂L/∂{w}{k}", names[f"dL/d{w}{n}"].value) for w in "Wb" if f"dL/d{w}{n}" in names]
        how = ", ".join(f"{w}{k}" for w in "Wb" if f"dL/d{w}{n}" in names)
        activation = _activation(names[f"a{n}"])
        back = "· 1" if activation == "identity" else "· f′"
        stages.append(Stage(f"z{k}", of_row(f"z{n}"), how, of_row(f"dL/dz{n}"), back, weights))
        up = f"W{subscript(n + 1)}ᵀ"
        stages.append(Stage(f"a{k}", of_row(f"a{n}"), activation, of_row(f"dL/da{n}"), up))
    name = re.match(r"[A-Z]\w+(?=$|\()", trace.loss)
    return draw_step(
        stages,
        float(names["loss"].value),
        np.atleast_1d(trace.target[trace.row]),
        name[0] if name else "loss",
        f"row {trace.row} of {trace.rows}; L and derivatives by weights are of all rows",
        ax,
    )


def _activation(step: TraceStep) -> str:
    found = re.search(r"= (\w+)\(", step.formula)
    return found[1] if found else "identity"
