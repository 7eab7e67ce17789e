"""Each number of the sources is asked on every array library, through the public interface alone."""

import numpy as np
import pytest

LIBRARIES = ("numpy", "torch", "jax", "tensorflow")


def _to(library):
    if library == "numpy":
        return np.asarray
    if library == "torch":
        import torch

        return torch.tensor
    if library == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
        return jax.numpy.asarray
    import tensorflow as tf

    return tf.constant


@pytest.fixture(params=LIBRARIES)
def array(request):
    """Return a function from lists to float64 (or integer) arrays of one library."""
    to = _to(request.param)
    return lambda values: to(np.asarray(values))
