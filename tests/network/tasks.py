"""A small task, a small network, and losses that say what they are told to."""

import numpy as np

from amiss.network import Dense, Network


def digits(items=50, seed=0):
    """Return a small classification task."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=items)
    return (rng.normal(size=(3, 4))[y] + rng.normal(size=(items, 4)) / 4).astype("float32"), y


def small(seed=0, dtype="float32"):
    return Network([Dense(4, 8, "relu"), Dense(8, 3)], seed=seed, dtype=dtype)


class Recorder:
    """A loss that remembers what it was asked; its value is the batch's mean target, its gradient is zero."""

    def __init__(self):
        self.targets = []

    def value_and_gradient(self, prediction, target):
        self.targets.append(target.copy())
        return target.mean(), np.zeros_like(prediction)


class Scripted:
    """A loss with the given values and a gradient of ones."""

    def __init__(self, *values, gradient=1.0):
        self.values, self.gradient = list(values), gradient

    def value_and_gradient(self, prediction, target):
        return self.values.pop(0), np.full_like(prediction, self.gradient)
