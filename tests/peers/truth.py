"""Losses by their closed forms in many digits, whoever computes them; and how far a number is from them."""

import subprocess
import sys

import mpmath

MP = mpmath.MPContext()
MP.dps = 400


def softplus(x):
    """Return log(1 + exp(x)): the loss of a logit x whose label is 0, and of -x whose label is 1."""
    return float(MP.log(1 + MP.exp(MP.mpf(float(x)))))


def sigmoid(x):
    """Return 1 / (1 + exp(-x))."""
    return float(1 / (1 + MP.exp(-MP.mpf(float(x)))))


def cross_entropy(row, label):
    """Return log sum exp(z - z_label) of a row of logits."""
    return float(MP.log(sum(MP.exp(MP.mpf(float(z)) - MP.mpf(float(row[label]))) for z in row)))


def probabilities(row):
    """Return the softmax of a row of logits."""
    sizes = [MP.exp(MP.mpf(float(z))) for z in row]
    return [float(size / sum(sizes)) for size in sizes]


def log_cosh(error):
    """Return log cosh of an error."""
    return float(MP.log(MP.cosh(MP.mpf(float(error)))))


def off(number, truth):
    """Return by which share of the truth a number is wrong."""
    return abs(float(number) - truth) / abs(truth)


FORK = """
import os, time
import numpy as np
import amiss
x = np.random.default_rng(0).normal(size=200_000)
y = x / 2
{setup}
amiss.kernels.threads(4)
def ours():
    return amiss.SquaredError()(x, y)
for function, patience in ((theirs, 1.5), (ours, 30.0)):
    function()  # threads have run in the parent
    child = os.fork()
    if child == 0:
        function()
        os._exit(0)
    end = time.monotonic() + patience
    ended, code = os.waitpid(child, os.WNOHANG)
    while not ended and time.monotonic() < end:
        time.sleep(0.01)
        ended, code = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, 9)
        os.waitpid(child, 0)
    print("ends with" if ended else "hangs", code)
"""


def in_a_forked_child(setup):
    """Return how a forked child ends that calls a peer, and one that calls amiss, after threads have run.

    Args:
        setup: a program that defines `theirs()` from the arrays x and y.
    """
    command = [sys.executable, "-W", "ignore", "-c", FORK.format(setup=setup)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    return done.stdout.splitlines()
