"""The array libraries that the contract is checked on; one that is missing fails every test here."""

import jax
import tensorflow  # noqa: F401 - must be there
import torch  # noqa: F401 - must be there
from hypothesis import settings

jax.config.update("jax_enable_x64", True)

settings.register_profile("contract", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("contract")
