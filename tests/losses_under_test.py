"""Every loss with the parameters that tests try, and inputs that come from its own domains.

A new loss in the catalogue is met by all contract tests through this module, without a test being written.
"""

import itertools
from functools import cache

import numpy as np

import amiss
from amiss import kernels
from amiss.core import BatchLoss, ClassItems, ElementwiseLoss
from amiss.core.compiled import CompiledLoss
from amiss.core.items import RowItems

K = 3
"""The number of classes of the rows that are drawn."""

SETTINGS = {"class_weight": (0.5, 2.0, 1.0)}
"""What to try for fields that have a check of their own and so declare no range, by field name."""

LIBRARIES = ("numpy", "torch", "jax", "tensorflow")
TRACED = ("torch", "jax", "tensorflow")


# --- losses --------------------------------------------------------------------------------------------
def classes():
    """Return every loss class of the catalogue."""
    return [loss for family in amiss.catalogue().values() for loss in family]


@cache
def variants():
    """Return every loss with every choice of its structural options and otherwise its defaults."""
    found = []
    for loss in classes():
        options = {name: about["choices"] for name, about in loss.parameters().items() if "choices" in about}
        for chosen in itertools.product(*options.values()):
            found.append(loss(**dict(zip(options, chosen, strict=True))))
    return found


def _tried(loss):
    """Return what to try for each parameter: the ends of its typical range, or what SETTINGS say."""
    declared = loss.parameters()
    ends = {key: about["typical"] for key, about in declared.items() if "typical" in about}
    return ends | {key: (value,) for key, value in SETTINGS.items() if key in declared}


@cache
def cases():
    """Return the variants, each also with one parameter at an end of its range, and with all at the upper."""
    found = []
    for loss in variants():
        single = [{key: value} for key, values in _tried(loss).items() for value in values]
        together = {key: values[-1] for key, values in _tried(loss).items()}
        found += [loss, *(replaced(loss, **given) for given in [*single, together])]
    return list(dict.fromkeys(found))


@cache
def few():
    """Return the variants, each also with all parameters at the upper end: for checks that take long."""
    found = []
    for loss in variants():
        found += [loss, replaced(loss, **{key: values[-1] for key, values in _tried(loss).items()})]
    return list(dict.fromkeys(found))


def replaced(loss, **given):
    """Return the loss with some parameters changed."""
    return type(loss)(**{name: getattr(loss, name) for name in loss.parameters()} | given)


def name(loss):
    """Return a short name of a loss for test ids: its class and what is not default."""
    if not hasattr(loss, "parameters"):
        return repr(loss)
    given = [
        f"{key}={getattr(loss, key)}"
        for key, about in loss.parameters().items()
        if getattr(loss, key) != about["default"]
    ]
    return f"{type(loss).__name__}({', '.join(given)})".replace(" ", "")


def numeric(loss):
    """Return the numeric parameters of a loss with what is declared of them."""
    return {key: about for key, about in loss.parameters().items() if "typical" in about}


def elementwise(losses):
    """Return the losses of a single number."""
    return [loss for loss in losses if isinstance(loss, ElementwiseLoss)]


def rows(losses):
    """Return the losses of one row per item."""
    return [loss for loss in losses if is_row(loss) and not is_batch(loss)]


def itemised(losses):
    """Return the losses that have a number for each item."""
    return [loss for loss in losses if not is_batch(loss)]


def batches(losses):
    """Return the losses that have one number for a whole batch."""
    return [loss for loss in losses if is_batch(loss)]


def is_row(loss):
    """Return whether an item is a row."""
    return isinstance(loss, RowItems)


def is_class(loss):
    """Return whether an item is a row of classes, whose target may be an index."""
    return isinstance(loss, ClassItems)


def is_batch(loss):
    """Return whether a loss has one number for a whole batch."""
    return isinstance(loss, BatchLoss)


def has_labels(loss):
    """Return whether targets are labels or probabilities of labels, not measured numbers."""
    return (np.isfinite(loss.target_domain.high) and np.isfinite(loss.target_domain.low)) or members(loss)


def members(loss):
    """Return the only targets that a loss takes, if they are few."""
    return loss.target_domain.members


# --- inputs --------------------------------------------------------------------------------------------
def sample(domain, rng, shape, scale=2.0):
    """Return numbers inside a domain."""
    if domain.members is not None:
        return rng.choice(domain.members, shape)
    if np.isfinite(domain.low) and np.isfinite(domain.high):
        return domain.low + (domain.high - domain.low) * rng.uniform(0.02, 0.98, shape)
    if np.isfinite(domain.low):
        return domain.low + scale * rng.exponential(size=shape)
    if np.isfinite(domain.high):
        return domain.high - scale * rng.exponential(size=shape)
    return scale * rng.normal(size=shape)


def whole_shape(loss, items):
    """Return the shape of a prediction for items of a shape."""
    return (*items, K) if is_row(loss) else tuple(items)


def entries(loss):
    """Return indices of a prediction, each of which picks one number of every item."""
    return [(..., k) for k in range(K)] if is_row(loss) else [(...,)]


def draw(loss, items=(5,), seed=0, scale=2.0):
    """Return float64 predictions and soft targets of a loss."""
    rng = np.random.default_rng(seed)
    shape = whole_shape(loss, items)
    prediction = sample(loss.prediction_domain, rng, shape, scale)
    if is_class(loss):
        return prediction, rng.dirichlet(np.ones(K), items)
    return prediction, sample(loss.target_domain, rng, shape, scale)


def distributions(loss, prediction):
    """Return predictions whose rows sum to 1, where they stand for probabilities of classes."""
    kind = loss.input if is_class(loss) else ""
    if kind not in ("probabilities", "log_probabilities"):
        return prediction
    p = np.exp(prediction) if kind == "log_probabilities" else prediction
    p = (p + 1e-300) / np.sum(p + 1e-300, axis=-1, keepdims=True)
    return np.minimum(np.log(p), 0.0) if kind == "log_probabilities" else p


def hard(loss, items=(5,), seed=0):
    """Return certain targets as floats: one-hot rows, the ends of an interval, the few allowed numbers."""
    rng = np.random.default_rng(seed + 1000)
    if is_class(loss):
        return np.eye(K)[rng.integers(0, K, items)]
    if members(loss):
        return rng.choice(members(loss), items)
    if has_labels(loss):
        return rng.choice([loss.target_domain.low, loss.target_domain.high], items)
    return sample(loss.target_domain, rng, whole_shape(loss, items)).round()


def integers(loss, items=(5,), seed=0):
    """Return whole-number targets: class indices of rows, else certain targets as int64."""
    target = hard(loss, items, seed)
    return target.argmax(-1) if is_class(loss) else target.astype(np.int64)


def formula(loss, quantity, xp, prediction, target, *extra):
    """Return what a formula gives on any namespace: one value per item, a derivative like the prediction.

    A batch loss is one item, whose weights are ones.
    """
    if is_batch(loss):
        table = lambda x: x.reshape(-1, K if is_row(loss) else 1)  # noqa: E731
        x, t, *extra = map(table, (prediction, target, *extra))
        result = getattr(loss, f"_{quantity}")(xp, x, t, x[:, :1] * 0 + 1, *extra)
        return result[0] if quantity == "value" else result.reshape(prediction.shape)
    result = getattr(loss, f"_{quantity}")(xp, prediction, target, *extra)
    return result[..., 0] if quantity == "value" and is_row(loss) else result


def items_of(loss, xp, prediction, target):
    """Return what the value formula gives, one number per item."""
    return formula(loss, "value", xp, prediction, target)


def single_places(loss, shape):
    """Return indices of a prediction that together pick every number, each at most once in an item."""
    return list(np.ndindex(shape)) if is_batch(loss) else entries(loss)


# --- array libraries -----------------------------------------------------------------------------------
def array(library, x, dtype=None):
    """Return an array of a library from a NumPy array, in a dtype given by name."""
    x = np.asarray(x)
    if library == "torch":
        import torch

        made = torch.from_numpy(np.array(x))  # a copy that can be written to
        return made if dtype is None else made.to(getattr(torch, dtype))
    if library == "jax":
        import jax.numpy as jnp

        return jnp.asarray(x, dtype=dtype)
    if library == "tensorflow":
        import tensorflow as tf

        made = tf.constant(x)
        return made if dtype is None else tf.cast(made, dtype)
    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    return np.array(x, dtype=dtype)


def numbers(x):
    """Return any array as a NumPy array of float64, or of integers."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.double().numpy() if x.is_floating_point() else x.numpy()
    x = np.asarray(x)
    return x if x.dtype.kind in "iub" else x.astype(np.float64)


def dtype_name(x):
    """Return the name of an array's dtype, the same for every library."""
    return getattr(x.dtype, "name", str(x.dtype).removeprefix("torch."))


def library_of(x):
    """Return the library of an array, as tests name it."""
    module = type(x).__module__.partition(".")[0]
    return {"jaxlib": "jax"}.get(module, module)


def close(x, expected, ulps=32, scale=None):
    """Assert that x is within some multiples of its dtype's resolution of what is expected."""
    epsilon = {"float64": 2.0**-52, "float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10}[
        dtype_name(x)
    ]
    x, expected = numbers(x), numbers(expected)
    assert x.shape == expected.shape
    size = np.maximum(np.abs(expected), 0.0 if scale is None else numbers(scale))
    np.testing.assert_allclose(
        x, expected, rtol=ulps * epsilon, atol=ulps * epsilon * np.max(size, initial=0.0)
    )


# --- derivatives by a tape -------------------------------------------------------------------------------
def tape_gradient(library, function, x):
    """Return the derivative of a number by the library's own differentiation."""
    if library == "torch":
        import torch

        x = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(function(x), x)
        return gradient
    if library == "jax":
        import jax

        return jax.grad(function)(x)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x)


# --- who answers ---------------------------------------------------------------------------------------
def let_formulas_answer(patch):
    """Let the formulas give what a compiled kernel gives elsewhere."""
    patch.setattr(kernels, "evaluate", lambda *given, **options: None)
    patch.setattr(kernels, "evaluate_tensors", lambda *given, **options: None)
    patch.setattr(CompiledLoss, "_answer", property(lambda loss: lambda *given: None))


def answers_of_kernels(patch):
    """Return a list that grows by one with every answer of a kernel."""
    made, answer = [], CompiledLoss._answer.func

    def watched(function):
        def call(*given, **options):
            result = function(*given, **options)
            if result is not None:
                made.append(result)
            return result

        return call

    patch.setattr(kernels, "evaluate", watched(kernels.evaluate))
    patch.setattr(kernels, "evaluate_tensors", watched(kernels.evaluate_tensors))
    patch.setattr(CompiledLoss, "_answer", property(lambda loss: watched(answer(loss))))
    return made
