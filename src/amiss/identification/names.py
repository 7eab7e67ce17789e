"""What the names in code say: which is a target, a prediction, a number of items, a rate, a report."""

import re

from amiss.arrays.recorded import Node
from amiss.identification.evaluation import inputs_below, nodes_below
from amiss.identification.reading import Assignment

__all__ = [
    "ACTIVATIONS",
    "COUNTS",
    "FEATURES",
    "LETTERS",
    "PREDICTED",
    "RATES",
    "REPORTS",
    "TARGET",
    "WEIGHTS",
    "is_rate",
    "is_scalar",
    "last_part",
    "reports",
]

TARGET = re.compile(
    r"(^|[_.\W])(y|t|ys|d|targets?|labels?|counts?|true|truth|actuals?|expected|desired|gt|real|one_?hot|correct)($|[_.\W\d])"
    r"|y_?(true|train|test|batch|real|data|i)|train_?y|true$|(set|train\w*|test\w*)_outputs?",
    re.IGNORECASE,
)
PREDICTED = re.compile(r"hat|pred|prob|logit|score|output|guess|estimate|fitted|activation", re.IGNORECASE)
LETTERS = re.compile(r"^(self\.)?(a|p|q|z|o|h|f|s|mu|out|al|zl)(\[?[-_]?\d*l?\]?)$", re.IGNORECASE)
COUNTS = re.compile(r"^(self\.)?(n|m|b|bs|batch_?size|num_\w+|n_\w+|samples|size|count)$", re.IGNORECASE)
FEATURES = re.compile(r"^(self\.)?(x\w*|inputs?|features?|a\d|h\d?)($|\[)", re.IGNORECASE)
WEIGHTS = re.compile(
    r"^(self\.)?(syn\w*|w|weights?\d*|w[_\d]\w*|theta\w*|v|u|beta|coef\w*)($|[\[.])", re.IGNORECASE
)
RATES = re.compile(r"learning|^(self\.)?(lr|eta|alpha|step_?size|l_rate)$", re.IGNORECASE)
REPORTS = re.compile(
    r"loss|cost|mse|mae|rmse|error_rate|metric|acc|entropy|nll|likelihood|^j$|score", re.IGNORECASE
)
ACTIVATIONS = ("sigmoid", "tanh", "softmax", "relu", "exp")


def last_part(name: str) -> str:
    """Return a2 of self.a2."""
    return name.rpartition(".")[2]


def is_scalar(node: Node) -> bool:
    """Return whether a node is made of numbers of items and rates only."""
    counts = {x for x in nodes_below(node) if x.operation == "count"}
    return all(COUNTS.match(x.operands[0]) or RATES.search(x.operands[0]) for x in inputs_below(node, counts))


def is_rate(node: Node) -> bool:
    """Return whether a node is made of learning rates only."""
    inputs = inputs_below(node)
    return bool(inputs) and all(RATES.search(x.operands[0]) for x in inputs)


def reports(assignment: Assignment) -> bool:
    """Return whether a value is by its name a number for people, or what a loss function returns."""
    if assignment.name == "return" and re.search(
        r"forward|loss|cost|call|mse|error", assignment.function, re.IGNORECASE
    ):
        return not re.search(r"prime|deriv|grad|back", assignment.function, re.IGNORECASE)
    is_gradient = re.match(r"d|grad", assignment.name, re.IGNORECASE)
    return bool(REPORTS.search(last_part(assignment.name))) and not is_gradient
