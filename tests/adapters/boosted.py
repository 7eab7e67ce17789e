"""Small real tables for the boosters, and what is compared on them."""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import amiss

NUMBERS = load_diabetes(return_X_y=True)
LABELS = tuple(part[:200] for part in load_breast_cancer(return_X_y=True))
CLASSES = load_wine(return_X_y=True)
COUNTS = NUMBERS[0], np.round(NUMBERS[1] / 10)


def weights(y):
    return np.random.default_rng(0).uniform(0.2, 3.0, len(y))


def largest_difference(a, b, loss):
    """Return by how much raw scores differ; for classes a constant in a row means nothing."""
    if isinstance(loss, amiss.CrossEntropy):
        a, b = (score - score.mean(axis=1, keepdims=True) for score in (a, b))
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max()))


def few_values(rows=60):
    """Return a table of few different numbers, where leaving rows out moves no border between them."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, (rows, 2)).astype(float)
    return X, X[:, 0] - X[:, 1] + rng.normal(size=rows)
