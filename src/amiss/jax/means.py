"""The mean over all items, on one device or on all that share a mapped axis."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from amiss.core import BatchLoss, Loss
from amiss.core.batches import BatchTotal
from amiss.naming import get

__all__ = ["mean"]

AxisName = Hashable | tuple[Hashable, ...]


def mean(
    loss: Loss | str,
    predictions: Any,
    targets: Any,
    weights: Any = None,
    axis_name: AxisName | None = None,
    empty: str = "nan",
) -> jax.Array:
    """Return the sum of weight * loss over the sum of weights, both taken over all devices of an axis.

    It is the mean over all items together, whatever each device holds: uneven weights, ignored targets, a
    device with nothing valid. The mean of the devices' means is not.

    In `jax.shard_map` the gradient with respect to replicated parameters is that of one device on all data as
    it stands, taken inside or outside: there is nothing to reduce. Where JAX does not track what is
    replicated (`jax.pmap`, `vmap(axis_name=)`, `shard_map(check_vma=False)`), a gradient taken inside is each
    device's part times the number of devices: `jax.lax.pmean` of it is right, `psum` is not.

    Args:
        loss: a loss, or a spelling of one.
        predictions: those that this device holds.
        targets: what they should have been, shaped as for every loss.
        weights: of the items' shape or a leading part of it; None for ones.
        axis_name: the mapped axis, or several, over which everything is added up; None for this device alone.
        empty: the mean over nothing on all devices: "nan" (with a gradient of zeros) or "zero".

    Raises:
        ShapeError, DTypeError, DomainError, ParameterError: as every loss does.

    Examples:
        >>> import jax, amiss.jax
        >>> x, w = jax.numpy.array([[1.0, 2.0], [3.0, 9.0]]), jax.numpy.array([[1.0, 1.0], [1.0, 0.0]])
        >>> shard = lambda x, w: amiss.jax.mean("mae", x, 0 * x, w, axis_name="devices")
        >>> print(jax.vmap(shard, axis_name="devices")(x, w))  # (1 + 2 + 3) / 3 on either
        [2. 2.]
    """
    loss, predictions = get(loss), jnp.asarray(predictions)
    if axis_name is None:
        return loss(predictions, targets, weights, empty=empty)
    total = loss.total(predictions, targets, weights)
    weight = jax.lax.psum(total.weight, axis_name)
    if isinstance(loss, BatchLoss):
        joined = _joined(replace(total, state=jax.lax.psum(total.state, axis_name), weight=weight))
        return jnp.where(weight == 0.0, 0.0, joined) if empty == "zero" else joined
    # Every device divides its own sum by the weight of all: the parts then add up to the mean.
    return jax.lax.psum(loss(predictions, targets, weights, normalizer=weight, empty=empty), axis_name)


def _joined(total: BatchTotal) -> jax.Array:
    """Return the mean of a total, with a derivative of 0 where it is 0, which that of a root is not."""
    value, loss = total.mean, total.loss
    if not loss.prediction_domain.everything or loss.facts.lower_bound != 0.0:  # type: ignore[attr-defined]
        return value
    least = value == 0.0
    state = tuple(jnp.where(least, 1.0, part) for part in total.state)
    return jnp.where(least, 0.0, replace(total, state=state).mean)
