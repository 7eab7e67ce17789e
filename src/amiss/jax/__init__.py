"""Losses as functions of JAX arrays, in the manner of optax: one number per item, no reduction.

Every loss of the catalogue is here in snake_case, with its parameters as arguments; and every function of
optax that a loss corresponds to, by optax's name and with the names of optax's arguments. Where both names
are one, optax's defaults hold: `kl_divergence` takes log-probabilities. `mean` reduces, over all devices if
asked to.

A parameter is a Python number: under `jax.jit` close over it, or name it in `static_argnames`. A batch loss,
such as `dice`, couples its items and so is one number.

Examples:
    >>> import amiss.jax
    >>> print(amiss.jax.huber([3.0, 0.5], [0.0, 0.0], delta=2.0))  # 2 * (3 - 1), 0.5 ** 2 / 2
    [4.    0.125]
    >>> print(amiss.jax.l2_loss([3.0, 0.5], [0.0, 0.0]))  # halves of squares
    [4.5   0.125]
"""

try:
    import jax as _jax  # noqa: F401 - JAX itself, not this package
except ModuleNotFoundError as error:
    from amiss.core.errors import BackendError

    raise BackendError('amiss.jax: JAX must be installed; it is not. pip install "amiss[jax]"') from error

from amiss.jax.functions import functions as _functions
from amiss.jax.means import mean

_made = _functions()
globals().update(_made)

__all__ = ["mean", *_made]  # noqa: PLE0604 - names, partly computed
