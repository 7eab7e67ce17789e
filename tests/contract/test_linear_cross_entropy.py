"""Cross-entropy behind a linear layer is that of its logits, and stays within its budget of memory."""

import copy
import pickle
import tracemalloc
from dataclasses import FrozenInstanceError

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
import torch
from losses_under_test import array, numbers

import amiss
from amiss import LinearCrossEntropy, kernels
from amiss.core.linear import Chunks

N, V, D = 23, 57, 5
LIBRARIES = ("numpy", "torch")
WEIGHTS = tuple(np.random.default_rng(7).uniform(0.1, 2.0, V))
OPTIONS = (
    {},
    {"ignore_index": 3},
    {"ignore_index": -100, "label_smoothing": 0.2},
    {"class_weight": WEIGHTS},
    {"class_weight": WEIGHTS, "label_smoothing": 0.1, "ignore_index": 5},
)
MEMORY = (2**26, 12_000, 6000, 2**11, 1)
"""Budgets of one chunk, of some rows, of a few rows, and of tiles of classes down to one row."""


def inputs(dtype=np.float64, shape=(N,), seed=0):
    """Return hidden, weight, target, bias and sample weights, one of which is 0."""
    rng = np.random.default_rng(seed)
    hidden = 3.0 * rng.normal(size=(*shape, D)).astype(dtype)
    weight, bias = rng.normal(size=(V, D)).astype(dtype), rng.normal(size=V).astype(dtype)
    target, sample_weight = rng.integers(0, V, shape), rng.uniform(0.1, 1.0, shape).astype(dtype)
    target.flat[:2], sample_weight.flat[4] = (3, 5), 0.0
    return hidden, weight, target, bias, sample_weight


def oracle(loss, hidden, weight, target, bias=None, sample_weight=None, reduction="mean", normalizer=None):
    """Return value and gradients from the definition, with all logits, in long doubles."""
    exact = np.longdouble
    x, w = hidden.reshape(-1, hidden.shape[-1]).astype(exact), weight.astype(exact)
    b = np.zeros(len(w), exact) if bias is None else bias.astype(exact)
    c = np.ones(len(w), exact) if loss.class_weight is None else np.array(loss.class_weight, exact)
    y, u = target.ravel(), np.ones(target.size, exact)
    if sample_weight is not None:
        u = sample_weight.ravel().astype(exact)
    if loss.ignore_index is not None:
        u, y = np.where(y == loss.ignore_index, 0.0, u), np.where(y == loss.ignore_index, 0, y)
    z = x @ w.T + b
    z -= z.max(-1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(-1, keepdims=True))
    s = exact(loss.label_smoothing)
    share = c * ((1 - s) * np.eye(len(w), dtype=exact)[y] + s / len(w))
    items = -(share * logs).sum(-1)
    divisor = (u * c[y]).sum() if normalizer is None else normalizer
    factor = u / divisor if reduction == "mean" else u
    slope = factor[:, None] * (share.sum(-1, keepdims=True) * np.exp(logs) - share)
    value = (factor * items).reshape(target.shape) if reduction == "none" else (factor * items).sum()
    return value, (slope @ w).reshape(hidden.shape), slope.T @ x, slope.sum(0)


def agree(found, expected, dtype=np.float64):
    """Assert that results are equal but for the rounding of a product."""
    tolerance = 200 * np.finfo(dtype).eps
    for x, y in zip(found, expected, strict=True):
        assert numbers(x).shape == y.shape
        np.testing.assert_allclose(
            numbers(x), y.astype(np.float64), rtol=tolerance, atol=tolerance * abs(y).max()
        )


def flat(value, gradients):
    return (value, *gradients)


# --- value and gradients -----------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
@pytest.mark.parametrize("library", LIBRARIES)
def test_value_and_gradients_are_those_of_the_logits(library, options, memory, dtype):
    loss, given = LinearCrossEntropy(**options, memory=memory), inputs(dtype)
    arrays = [array(library, x) for x in given]
    for reduction in ("mean", "sum", "none"):
        found = flat(*loss.value_and_gradient(*arrays, reduction=reduction))
        assert all(x.dtype == arrays[0].dtype for x in found)
        agree(found, oracle(loss, *given, reduction=reduction), dtype)
        value = loss(*arrays, reduction=reduction)
        np.testing.assert_array_equal(numbers(value), numbers(found[0]))


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("library", LIBRARIES)
def test_without_kernels_it_is_the_same(library, memory, monkeypatch):
    monkeypatch.setattr(kernels, "_compiled", None)
    monkeypatch.setattr(kernels, "softmax", lambda *options: None)
    loss, given = LinearCrossEntropy(**OPTIONS[-1], memory=memory), inputs()
    found = loss.value_and_gradient(*(array(library, x) for x in given))
    agree(flat(*found), oracle(loss, *given))


def test_the_budgets_of_these_tests_cut_rows_and_classes():
    chunks = [Chunks.within(memory, (N, V, D), 8) for memory in MEMORY]
    assert [chunk.classes < V for chunk in chunks] == [False, False, False, True, True]
    rows = [chunk.rows for chunk in chunks]
    assert rows[0] == N > rows[1] > rows[2] >= 4
    assert rows[-1] == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_many_axes_no_bias_and_one_item(library):
    loss = LinearCrossEntropy(memory=2**13)
    for shape in ((2, 3, 4), (1,), ()):
        hidden, weight, target, _, _ = inputs(shape=(24,))
        hidden, target = (x[: int(np.prod(shape))].reshape(shape + x.shape[1:]) for x in (hidden, target))
        for reduction in ("mean", "none"):
            arrays = [array(library, x) for x in (hidden, weight, target)]
            value, gradients = loss.value_and_gradient(*arrays, reduction=reduction)
            assert gradients.bias is None
            expected = oracle(loss, hidden, weight, target, reduction=reduction)
            agree((value, *gradients[:2]), tuple(map(np.asarray, expected[:3])))


def test_it_is_the_cross_entropy_that_it_names():
    for options in OPTIONS:
        loss, (hidden, weight, target, bias, sample_weight) = LinearCrossEntropy(**options), inputs()
        expected = loss.cross_entropy(hidden @ weight.T + bias, target, sample_weight)
        np.testing.assert_allclose(loss(hidden, weight, target, bias, sample_weight), expected, rtol=1e-13)


def test_a_confident_row_keeps_its_digits():
    for memory in (2**26, 1):
        loss, weight = LinearCrossEntropy(memory=memory), np.array([[1.0], [0.0], [0.0]], np.float32)
        value, gradients = loss.value_and_gradient(np.float32([[40.0]]), weight, [0])
        np.testing.assert_allclose(value, 2.0 * np.exp(-40.0), rtol=1e-5)
        np.testing.assert_allclose(gradients.hidden, [[-2.0 * np.exp(-40.0)]], rtol=1e-5)


@pytest.mark.parametrize("library", LIBRARIES)
def test_arrays_that_are_not_contiguous(library):
    loss, given = LinearCrossEntropy(memory=2**13), inputs()
    expected = oracle(loss, *given)
    for change in (
        lambda x: np.repeat(x, 2, axis=0)[::2],
        np.asfortranarray,
        lambda x: x[::-1].copy()[::-1] if library == "numpy" else x,
    ):
        arrays = [array(library, x) for x in given]
        arrays = [change(x) if library == "numpy" else torch.stack((x, x), dim=-1)[..., 0] for x in arrays]
        agree(flat(*loss.value_and_gradient(*arrays)), expected)


def test_lists_and_whole_numbers_become_floats():
    loss = LinearCrossEntropy()
    value, gradients = loss.value_and_gradient([[1, 2]], [[0, 0], [0, 0]], [1], [0, 0])
    assert value == pytest.approx(np.log(2.0))
    assert gradients.hidden.dtype == np.float64


# --- what counts -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("memory", [2**26, 2**13, 1])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_weight_of_0_and_an_ignored_label_remove_an_item_wholly(library, memory):
    hidden, weight, target, bias, sample_weight = inputs()
    loss = LinearCrossEntropy(ignore_index=-100, memory=memory)
    target[6] = -100
    expected = oracle(loss, hidden, weight, target, bias, sample_weight)
    target[4], hidden[4], hidden[6] = 999, np.nan, np.inf
    arrays = [array(library, x) for x in (hidden, weight, target, bias, sample_weight)]
    found = flat(*loss.value_and_gradient(*arrays))
    agree(found, expected)
    assert not numbers(found[1])[[4, 6]].any()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_nan_stays_in_its_item(library):
    hidden, weight, target, _, _ = inputs()
    hidden[2] = np.nan
    value, gradients = LinearCrossEntropy().value_and_gradient(
        *(array(library, x) for x in (hidden, weight, target)), reduction="none"
    )
    assert np.isnan(numbers(value)).nonzero()[0].tolist() == [2]
    assert np.isnan(numbers(gradients.hidden)).any(-1).nonzero()[0].tolist() == [2]
    assert np.isnan(numbers(gradients.weight)).all()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("memory", [2**26, 1])
def test_the_mean_over_nothing(library, memory):
    loss = LinearCrossEntropy(ignore_index=0, memory=memory)
    hidden, weight, target, bias, _ = inputs()
    for rows in (slice(0, 0), slice(0, 5)):
        arrays = [array(library, x) for x in (hidden[rows], weight, 0 * target[rows], bias)]
        for empty, expected in (("nan", np.nan), ("zero", 0.0)):
            value, gradients = loss.value_and_gradient(*arrays, empty=empty)
            np.testing.assert_array_equal(numbers(value), expected)
            assert not any(numbers(gradient).any() for gradient in gradients)
        with pytest.raises(amiss.DomainError, match=r"^LinearCrossEntropy: a mean must have something"):
            loss(*arrays, empty="raise")
        assert loss(*arrays, reduction="sum") == 0.0


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_normalizer_divides(library):
    loss, given = LinearCrossEntropy(), inputs()
    found = loss.value_and_gradient(*(array(library, x) for x in given), normalizer=8.0)
    agree(flat(*found), oracle(loss, *given, normalizer=8.0))


def test_a_label_out_of_range_is_nan_where_values_are_not_checked():
    hidden, weight, target, _, _ = inputs()
    target[5] = V
    with amiss.checks("shapes"):
        value = LinearCrossEntropy()(hidden, weight, target, reduction="none")
    assert np.isnan(value).nonzero()[0].tolist() == [5]


# --- memory and threads ------------------------------------------------------------------------------------
def peak(call):
    tracemalloc.start()
    try:
        held = tracemalloc.get_traced_memory()[0]
        result = call()
        return result, tracemalloc.get_traced_memory()[1] - held
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("options", [{}, {"ignore_index": 1, "label_smoothing": 0.1}])
@pytest.mark.parametrize(
    ("memory", "shape"),
    [(2**21, (600, 4000, 16)), (2**19, (64, 9000, 32)), (2**18, (16, 20_000, 8)), (2**20, (900, 700, 300))],
)
def test_working_arrays_stay_within_the_budget(memory, shape, options, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(kernels, "_compiled", None)
        monkeypatch.setattr(kernels, "softmax", lambda *options: None)
    rows, classes, width = shape
    hidden, weight = np.ones((rows, width), np.float32), np.ones((classes, width), np.float32)
    target, loss = np.arange(rows) % 3, LinearCrossEntropy(**options, memory=memory)
    bias = np.zeros(classes, np.float32)
    loss.value_and_gradient(hidden[:2], weight, target[:2], bias)  # what is imported or made once
    (_, gradients), used = peak(lambda: loss.value_and_gradient(hidden, weight, target, bias))
    outputs = sum(gradient.nbytes for gradient in gradients)
    assert rows * classes * 4 > memory
    assert used <= outputs + memory + 64 * rows + 20_000


def test_any_number_of_threads_cuts_the_same_chunks():
    hidden, weight, target, bias, sample_weight = inputs(np.float32)
    loss, found = LinearCrossEntropy(memory=2**14), []
    for count in (1, 2, 5):
        with kernels.threads(count):
            found.append(flat(*loss.value_and_gradient(hidden, weight, target, bias, sample_weight)))
    for other in found[1:]:
        for x, y in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(x, y)


# --- PyTorch's tape ----------------------------------------------------------------------------------------
def leaves(*given):
    return [torch.tensor(x, requires_grad=True) for x in given]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_tape_gives_the_gradients(reduction):
    hidden, weight, target, bias, sample_weight = (x[:7] for x in inputs())
    operands, mass = leaves(hidden, weight, bias), torch.from_numpy(sample_weight)
    target = torch.from_numpy(target % 7)

    def call(h, w, b):
        return LinearCrossEntropy(ignore_index=3)(h, w, target, b, mass, reduction=reduction)

    assert torch.autograd.gradcheck(call, operands)


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_tape_multiplies_by_what_comes_from_above(reduction, options, memory):
    hidden, weight, target, bias, sample_weight = inputs()
    h, w, b = leaves(hidden, weight, bias)
    loss, upstream = LinearCrossEntropy(**options, memory=memory), np.array(-0.7)
    if reduction == "none":
        upstream = np.random.default_rng(1).normal(size=N)
    given = torch.from_numpy(target), b, torch.from_numpy(sample_weight)
    loss(h, w, *given, reduction=reduction).backward(torch.from_numpy(upstream))
    if reduction == "none":
        expected = oracle(loss, hidden, weight, target, bias, sample_weight * upstream, "sum")[1:]
    else:
        expected = [upstream * x for x in oracle(loss, *inputs(), reduction)[1:]]
    agree([x.grad for x in (h, w, b)], expected)


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2)])
def test_only_what_requires_a_gradient_gets_one(wanted):
    hidden, weight, target, bias, _ = inputs()
    operands = [torch.from_numpy(x) for x in (hidden, weight, bias)]
    for i in wanted:
        operands[i].requires_grad_()
    loss = LinearCrossEntropy()
    loss(operands[0], operands[1], torch.from_numpy(target), operands[2]).backward()
    expected = oracle(loss, hidden, weight, target, bias)[1:]
    for i, x in enumerate(operands):
        assert (x.grad is not None) == (i in wanted)
        if i in wanted:
            agree([x.grad], [expected[i]])


@pytest.mark.parametrize("scale", [1.0, -3.0])
def test_a_graph_may_be_retained_and_gradients_accumulate(scale):
    hidden, weight, target, _, _ = inputs()
    (h, w), loss = leaves(hidden, weight), LinearCrossEntropy()
    value = scale * loss(h, w, torch.from_numpy(target))
    value.backward(retain_graph=True)
    value.backward()
    expected = oracle(loss, hidden, weight, target)
    agree([h.grad, w.grad], [2 * scale * x for x in expected[1:3]])


def test_without_a_tape_nothing_is_recorded():
    hidden, weight, target, _, _ = inputs()
    h, w = leaves(hidden, weight)
    with torch.no_grad():
        assert not LinearCrossEntropy()(h, w, torch.from_numpy(target)).requires_grad
    value, gradients = LinearCrossEntropy().value_and_gradient(h, w, torch.from_numpy(target))
    assert not value.requires_grad
    assert not gradients.hidden.requires_grad


def test_there_is_no_second_derivative():
    hidden, weight, target, _, _ = inputs()
    h, w = leaves(hidden, weight)
    value = LinearCrossEntropy()(h, w, torch.from_numpy(target))
    (gradient,) = torch.autograd.grad(value, h, create_graph=True)
    agree([gradient.detach()], [oracle(LinearCrossEntropy(), hidden, weight, target)[1]])
    with pytest.raises(amiss.BackendError, match="a gradient must not be differentiated again"):
        torch.autograd.grad(gradient.sum(), w)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # PyTorch's own, at any graph break
def test_a_compiled_program_may_call_it():
    hidden, weight, target, bias, sample_weight = inputs()
    h, w, b = leaves(hidden, weight, bias)
    loss = LinearCrossEntropy(ignore_index=3)
    call = torch.compile(lambda *given: 2.0 * loss(*given), backend="aot_eager")
    value = call(h, w, torch.from_numpy(target), b, torch.from_numpy(sample_weight))
    value.backward()
    expected = oracle(loss, hidden, weight, target, bias, sample_weight)
    agree([value.detach(), h.grad, w.grad, b.grad], [2 * x for x in expected])


# --- half precision ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("memory", [2**26, 2**13, 1])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype, memory):
    hidden, weight, target, bias, _ = inputs()
    h, w, b = (torch.tensor(x, dtype=dtype, requires_grad=True) for x in (hidden, weight, bias))
    loss = LinearCrossEntropy(ignore_index=3, memory=memory)
    value = loss(h, w, torch.from_numpy(target), b)
    value.backward()
    expected = oracle(
        loss, *(numbers(x.detach().double()) for x in (h, w)), target, numbers(b.detach().double())
    )
    assert value.dtype == torch.float32
    for found, exact in zip((value.detach(), h.grad, w.grad, b.grad), expected, strict=True):
        assert abs(numbers(found.double()) - exact).max() < 0.02 * abs(exact).max()
    assert h.grad.dtype == w.grad.dtype == b.grad.dtype == dtype


def test_many_chunks_of_half_precision_lose_nothing():
    rows, hidden = 4096, torch.ones(4096, 1, dtype=torch.bfloat16)
    loss, weight = LinearCrossEntropy(memory=2**14), torch.zeros(8, 1, dtype=torch.bfloat16)
    target = torch.zeros(rows, dtype=torch.int64)
    gradient = loss.value_and_gradient(hidden, weight, target, reduction="sum")[1].weight
    assert gradient[1, 0] == rows / 8  # sums of bfloat16 would stop growing at 256


def test_a_gradient_of_float16_takes_its_scale_before_it_is_rounded():
    rows, hidden = 64, torch.ones(64, 1, dtype=torch.float16)
    weight = torch.zeros(2048, 1, dtype=torch.float16, requires_grad=True)
    value = LinearCrossEntropy()(hidden, weight, torch.zeros(rows, dtype=torch.int64), normalizer=2.0**22)
    (2.0**20 * value).backward()
    np.testing.assert_allclose(numbers(weight.grad)[1:, 0], 2.0**20 / 2.0**22 * rows / 2048, rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_numpy_arrays_of_half_precision(dtype):
    hidden, weight, target, bias, _ = (x.astype(dtype) if x.dtype.kind == "f" else x for x in inputs())
    loss = LinearCrossEntropy()
    value, gradients = loss.value_and_gradient(hidden, weight, target, bias)
    expected = oracle(loss, *(x.astype(float) for x in (hidden, weight)), target, bias.astype(float))
    assert value.dtype == np.float32
    assert {gradient.dtype for gradient in gradients} == {np.dtype(dtype)}
    np.testing.assert_allclose(value, float(expected[0]), rtol=1e-6)
    for found, exact in zip(gradients, expected[1:], strict=True):
        np.testing.assert_allclose(found.astype(float), exact.astype(float), rtol=5e-3, atol=1e-6)


# --- a value -----------------------------------------------------------------------------------------------
def test_it_is_a_frozen_value():
    loss = LinearCrossEntropy(ignore_index=np.int64(-1), class_weight=[1, 2], memory=np.int64(1000))
    assert loss == LinearCrossEntropy(-1, (1.0, 2.0), 0.0, 1000) != LinearCrossEntropy()
    assert hash(loss) == hash(copy.deepcopy(loss))
    assert eval(repr(loss), vars(amiss)) == loss == pickle.loads(pickle.dumps(loss))
    with pytest.raises(FrozenInstanceError):
        loss.memory = 3


@pytest.mark.parametrize(
    "given",
    [
        {"memory": 0},
        {"memory": 1.5},
        {"memory": True},
        {"memory": None},
        {"ignore_index": 0.5},
        {"class_weight": (-1.0,)},
        {"label_smoothing": 1.0},
        {"label_smoothing": "much"},
    ],
)
def test_parameters_are_checked(given):
    with pytest.raises(amiss.ParameterError, match=rf"^LinearCrossEntropy: {next(iter(given))} must be "):
        LinearCrossEntropy(**given)


# --- errors ------------------------------------------------------------------------------------------------
WRONG = [
    ({"hidden": np.ones((N, D, 1))}, amiss.ShapeError, "weight must have shape (classes, 1)"),
    ({"hidden": np.ones((N, 0))}, amiss.ShapeError, "hidden must have at least one number per row"),
    ({"hidden": np.float64(1.0)}, amiss.ShapeError, "hidden must have at least one number per row"),
    ({"hidden": None}, amiss.DTypeError, "hidden must be an array of numbers; got None"),
    ({"hidden": np.ones((N, D), complex)}, amiss.DTypeError, "hidden must hold floating-point"),
    ({"hidden": torch.ones(N, D, dtype=torch.int64)}, amiss.DTypeError, "hidden must hold floating-point"),
    ({"hidden": jnp.ones((N, D))}, amiss.BackendError, "hidden must be a NumPy or PyTorch array"),
    ({"hidden": tf.ones((N, D))}, amiss.BackendError, "give them to CrossEntropy"),
    ({"weight": np.ones((D, V))}, amiss.ShapeError, f"weight must have shape (classes, {D})"),
    ({"weight": np.ones((0, D))}, amiss.ShapeError, f"weight must have shape (classes, {D})"),
    ({"weight": np.ones(D)}, amiss.ShapeError, f"weight must have shape (classes, {D})"),
    (
        {"weight": np.ones((V, D), np.float32)},
        amiss.DTypeError,
        "weight must have the dtype of hidden, float64",
    ),
    ({"weight": torch.ones(V, D)}, amiss.BackendError, "weight must be of the hidden's array library"),
    ({"weight": np.ones((V, D), complex)}, amiss.DTypeError, "weight must hold real numbers"),
    ({"bias": np.ones((V, 1))}, amiss.ShapeError, f"bias must have shape ({V},)"),
    ({"bias": np.ones(1)}, amiss.ShapeError, f"bias must have shape ({V},)"),
    ({"bias": np.ones(V, np.float32)}, amiss.DTypeError, "bias must have the dtype of hidden, float64"),
    ({"target": np.ones((N, 1), int)}, amiss.ShapeError, f"target must have shape ({N},)"),
    ({"target": np.ones((N, V))}, amiss.ShapeError, "target must hold class indices, of shape"),
    (
        {"target": np.ones(N)},
        amiss.DTypeError,
        "target must hold class indices, whole numbers; got dtype float64",
    ),
    (
        {"target": np.arange(N) * 10},
        amiss.DomainError,
        f"target must be a class index in 0..{V - 1}; got target[6] = 60",
    ),
    (
        {"target": torch.ones(N, dtype=int)},
        amiss.BackendError,
        "target must be of the hidden's array library",
    ),
    ({"sample_weight": np.ones((D,))}, amiss.ShapeError, f"sample_weight must have the items' shape ({N},)"),
    ({"sample_weight": np.full(N, np.nan)}, amiss.DomainError, "sample_weight must be a number"),
    (
        {"sample_weight": torch.ones(N, requires_grad=True)},
        amiss.ParameterError,
        "sample_weight must be a constant",
    ),
    ({"reduction": "average"}, amiss.ParameterError, "reduction must be one of"),
    ({"empty": "none"}, amiss.ParameterError, "empty must be one of"),
    ({"normalizer": 0}, amiss.ParameterError, "normalizer must be a positive finite number"),
]


@pytest.mark.parametrize(("wrong", "error", "text"), WRONG)
def test_a_wrong_call_says_what_must_hold(wrong, error, text):
    names = ("hidden", "weight", "target", "bias", "sample_weight")
    given = dict(zip(names, inputs(), strict=True)) | wrong
    for call in (LinearCrossEntropy().value_and_gradient, LinearCrossEntropy(memory=1)):
        with pytest.raises(error) as raised:
            call(**given)
        assert str(raised.value).startswith("LinearCrossEntropy: ")
        assert text in str(raised.value)


def test_as_many_class_weights_as_classes():
    with pytest.raises(amiss.ShapeError, match="class_weight must have one entry per class"):
        LinearCrossEntropy(class_weight=(1.0, 2.0))(*inputs()[:3])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_bad_label_is_named_by_its_position_in_the_whole_target(library):
    hidden, weight, target, _, _ = inputs(shape=(4, 5))
    target[3, 2] = V
    with pytest.raises(amiss.DomainError, match=rf"got target\[3, 2\] = {V}\. To leave items out"):
        LinearCrossEntropy(memory=1)(*(array(library, x) for x in (hidden, weight, target)))
