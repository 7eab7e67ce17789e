"""Every kind of picture, small; and what is asked of each."""

from functools import partial

import numpy as np

import amiss
from amiss.network import Dense, Network
from amiss.plot import (
    draw_by_probability,
    draw_line,
    draw_losses,
    draw_outputs,
    draw_weight,
    draw_weights,
)


def rows():
    """Return data of three classes that overlap: (30, 2) and (30,)."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 10)
    return rng.normal(size=(30, 2)) + np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])[y], y


def network():
    """Return a linear network for these data."""
    return Network([Dense(2, 3)], seed=0, dtype="float64")


def line(**options):
    """Draw the line between the first weights and their negative."""
    weights = network().weights
    ends = weights, [-weight for weight in weights]
    return draw_line(network(), *ends, *rows(), amiss.CrossEntropy(), **options)


def listed(draw, *arguments, **options):
    """Return what a drawing returns as a list of panels."""
    return [draw(*arguments, **options)]


REGRESSION = [amiss.SquaredError(), amiss.AbsoluteError(), amiss.Huber(), amiss.Pinball(quantile=0.9)]
CLASSES = [amiss.CrossEntropy(), 0.5 * amiss.SquaredError(), amiss.BinaryFocal(), amiss.Hinge()]
UNLIKE = [amiss.SquaredError(), 0.001 * amiss.SquaredError(), 1000 * amiss.AbsoluteError()]

PICTURES = {
    "prediction": partial(draw_losses, REGRESSION, hessian=True),
    "three": partial(draw_losses, [*REGRESSION[:2], amiss.Huber(delta=2.0)], hessian=True),
    "error": partial(draw_losses, REGRESSION, target=3.0, against="error"),
    "unlike": partial(draw_losses, UNLIKE),
    "long": partial(draw_losses, [amiss.get("BCELoss"), amiss.BinaryCrossEntropy(input="probabilities")]),
    "probability": partial(draw_by_probability, CLASSES),
    "logit": partial(draw_by_probability, CLASSES, against="logit"),
    "outputs": partial(listed, draw_outputs, amiss.CrossEntropy()),
    "flat": partial(listed, draw_outputs, amiss.Hinge()),
    "edge": partial(listed, draw_outputs, amiss.CrossEntropy(), target=1.0),
    "weights": partial(listed, draw_weights, amiss.SquaredError(), [-1.0, 0.0, 1.0], [-1.0, 1.0, 2.0]),
    "line": partial(line, accuracy=True),
    "weight": lambda: draw_weight(network(), *rows(), amiss.CrossEntropy()),
}
