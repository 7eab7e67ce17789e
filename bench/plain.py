"""The losses in NumPy as a careful user writes them by hand: peers, in place where it saves a pass.

Each takes prediction, target, an array for the gradient of the mean, and arrays to work in, and returns the
mean.
"""

from typing import Any

import numpy as np


def squared_error(x: Any, t: Any, g: Any) -> Any:
    np.subtract(x, t, out=g)
    value = g @ g / len(x)
    g *= 2 / len(x)
    return value


def absolute_error(x: Any, t: Any, g: Any, a: Any) -> Any:
    np.subtract(x, t, out=g)
    value = np.abs(g, out=a).mean()
    np.sign(g, out=g)
    g /= len(x)
    return value


def huber(x: Any, t: Any, g: Any, a: Any) -> Any:
    """With c the error clipped to ±1 the loss is c (error - c / 2), and its slope is c."""
    np.subtract(x, t, out=a)
    np.clip(a, -1, 1, out=g)
    a -= 0.5 * g
    value = g @ a / len(x)
    g /= len(x)
    return value


def log_cosh(x: Any, t: Any, g: Any, a: Any) -> Any:
    np.subtract(x, t, out=g)
    np.abs(g, out=a)
    value = a.mean() - np.log(2)
    a *= -2
    value += np.log1p(np.exp(a, out=a), out=a).mean()
    np.tanh(g, out=g)
    g /= len(x)
    return value


def pinball(x: Any, t: Any, g: Any, a: Any, quantile: float = 0.75) -> Any:
    np.subtract(t, x, out=a)
    np.subtract(np.less(a, 0, out=g), quantile, out=g)
    value = -(a @ g) / len(x)
    g /= len(x)
    return value


def poisson(x: Any, t: Any, g: Any) -> Any:
    np.exp(x, out=g)
    value = (g.sum() - t @ x) / len(x)
    g -= t
    g /= len(x)
    return value


def hinge(x: Any, t: Any, g: Any, a: Any) -> Any:
    np.multiply(x, t, out=a)
    np.subtract(1, a, out=a)
    np.greater(a, 0, out=g)
    value = a @ g / len(x)
    g *= t
    g /= -len(x)
    return value


def squared_hinge(x: Any, t: Any, g: Any) -> Any:
    np.multiply(x, t, out=g)
    np.subtract(1, g, out=g)
    np.maximum(g, 0, out=g)
    value = g @ g / len(x)
    g *= t
    g *= -2 / len(x)
    return value


def _sigmoid(x: Any, g: Any, a: Any) -> None:
    """Write exp(-|x|) to a and the sigmoid to g, without overflow."""
    np.exp(np.negative(np.abs(x, out=a), out=a), out=a)
    np.divide(np.where(x >= 0, 1, a), 1 + a, out=g)


def binary_cross_entropy(x: Any, t: Any, g: Any, a: Any) -> Any:
    _sigmoid(x, g, a)
    value = (np.log1p(a, out=a).sum() + np.maximum(x, 0, out=a).sum() - t @ x) / len(x)
    g -= t
    g /= len(x)
    return value


def binary_cross_entropy_hessian(x: Any, t: Any, g: Any, h: Any) -> None:
    _sigmoid(x, g, h)
    np.multiply(g, 1 - g, out=h)
    g -= t


def cross_entropy(x: Any, t: Any, g: Any) -> Any:
    n = len(x)
    largest, rows = x.max(1, keepdims=True), np.arange(n)
    np.exp(np.subtract(x, largest, out=g), out=g)
    sums = g.sum(1, keepdims=True)
    value = (np.log(sums) + largest).mean() - x[rows, t].mean()
    g /= sums * n
    g[rows, t] -= 1 / n
    return value


def soft_cross_entropy(x: Any, t: Any, g: Any) -> Any:
    n = len(x)
    np.subtract(x, x.max(1, keepdims=True), out=g)
    gaps = np.vdot(t, g)
    np.exp(g, out=g)
    sums = g.sum(1, keepdims=True)
    value = (np.log(sums).sum() - gaps) / n
    g /= sums
    g -= t
    g /= n
    return value
