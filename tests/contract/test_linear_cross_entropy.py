"""Cross-entropy behind a linear layer is that of its logits, and stays within its budget of memory."""

import tracemalloc

import ml_dtypes
import numpy as np
import pytest
import torch
from linear import LIBRARIES, MEMORY, OPTIONS, D, N, V, agree, flat, inputs, oracle
from losses_under_test import array, numbers

import amiss
from amiss import LinearCrossEntropy, kernels
from amiss.core.linear import Chunks


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
