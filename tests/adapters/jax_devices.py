"""Gradients of a mean over several devices, and how far they are from those of one; run as a script."""

import json
import os
import sys

if __name__ == "__main__":
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={sys.argv[1]}"
    os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

import amiss
import amiss.jax

AXIS, ROWS = "devices", 6


def problem(devices, loss):
    """Return inputs, targets, weights, parameters of a linear model; one device has nothing valid."""
    rng = np.random.default_rng(0)
    count = devices * ROWS
    x = rng.normal(size=(count, 5))
    if isinstance(loss, amiss.RootMeanSquaredError):
        y, w = rng.normal(size=(count, 3)), rng.uniform(0.2, 2.0, count)
        w[:ROWS] = 0.0
    else:
        y, w = rng.integers(0, 3, count), rng.uniform(0.2, 2.0, count)
        y[:ROWS] = y[ROWS + 1] = y[-4:] = -1  # uneven: 0, 5 ... 2 or 1 rows count
    as_float = [jnp.asarray(a, jnp.float32) for a in (x, w, rng.normal(size=(5, 3)))]
    return as_float[0], jnp.asarray(y), as_float[1], as_float[2]


def gradients(loss, devices):
    """Yield by name value and gradient of each way to take them, that of one device on all data first."""
    x, y, w, parameters = problem(devices, loss)
    mesh = Mesh(np.array(jax.devices()), (AXIS,))
    whole, parts = PartitionSpec(), PartitionSpec(AXIS)
    both = {"argnums": (0, 1)}  # by the parameters and by the weights

    def shard(p, w, x, y):
        return amiss.jax.mean(loss, x @ p, y, w, axis_name=AXIS)

    def inside(p, w, x, y):
        return jax.value_and_grad(shard)(p, w, x, y)

    def averaged(p, w, x, y):
        value, gradient = inside(p, w, x, y)
        return value, jax.lax.pmean(gradient, AXIS)

    def sharded(function, **options):
        specs = {"in_specs": (whole, parts, parts, parts), "out_specs": whole}
        return jax.shard_map(function, mesh=mesh, **specs, **options)

    def run(function, *arrays):
        return jax.jit(function)(parameters, *arrays)

    yield "one device", run(jax.value_and_grad(lambda p, w, x, y: loss(x @ p, y, w), **both), w, x, y)
    yield "shard_map, inside", run(sharded(inside), w, x, y)
    if type(loss) is not amiss.CrossEntropy:
        return
    yield "shard_map, outside", run(jax.value_and_grad(sharded(shard), **both), w, x, y)
    if devices == 2:
        return
    split = [a.reshape(devices, ROWS, *a.shape[1:]) for a in (w, x, y)]
    mapped = {"axis_name": AXIS, "in_axes": (None, 0, 0, 0)}
    unchecked = sharded(shard, check_vma=False)
    yield "shard_map unchecked, inside", run(sharded(averaged, check_vma=False), w, x, y)
    yield "shard_map unchecked, outside", run(jax.value_and_grad(unchecked, **both), w, x, y)
    yield "vmap, outside", run(jax.value_and_grad(lambda p, *a: jax.vmap(shard, **mapped)(p, *a)[0]), *split)
    for name, mapping in (("vmap", jax.vmap), ("pmap", jax.pmap)):
        value, gradient = mapping(averaged, **mapped)(parameters, *split)
        yield f"{name}, inside", (value[0], gradient[0])


LOSSES = {
    "CrossEntropy": amiss.CrossEntropy(ignore_index=-1, class_weight=(1.0, 2.0, 0.5)),
    "Dice": amiss.Dice(ignore_index=-1),
    "RootMeanSquaredError": amiss.RootMeanSquaredError(),
}


def distances(loss, devices):
    """Return by name how far a value and its gradients are from those of one device."""
    ways = gradients(loss, devices)
    _, (value, of_one) = next(ways)
    found = {}
    for way, (mine, gradient) in ways:
        pairs = zip(gradient, of_one, strict=True) if isinstance(gradient, tuple) else [(gradient, of_one[0])]
        found[way] = max(float(jnp.max(jnp.abs(a - b))) for a, b in [(mine, value), *pairs])
    return found


if __name__ == "__main__":
    count = int(sys.argv[1])
    assert len(jax.devices()) == count
    sys.stdout.write(
        json.dumps(
            {
                name: distances(loss, count)
                for name, loss in LOSSES.items()
                if count > 2 or name == "CrossEntropy"
            }
        )
    )
