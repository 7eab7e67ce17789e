"""The softmax driver is exact for any number of classes and rows, and gives the same bits to any threads."""

import subprocess
import sys

import numpy as np
import pytest
from softmax_rows import (
    DTYPES,
    FEW,
    LONG,
    MANY,
    SEGMENT,
    ULP,
    assert_exact,
    draw,
    driven,
    errors,
    options_for,
    softmax,
)

from amiss import kernels


# --- any number of classes and rows ------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", FEW + MANY)
def test_any_number_of_classes_and_rows(classes, dtype):
    for rows in (1, 15, 16, 17, 35):
        z, label = draw(rows, classes, dtype)
        assert_exact(z, label)
        assert_exact(z, label, smoothing=0.1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 32, 128, 129, 1000, 40_000])
def test_all_options_together(classes, dtype):
    rows = 3 if classes > SEGMENT else 37
    z, label = draw(rows, classes, dtype)
    label[rows - 1] = -3
    options = options_for(rows, classes, dtype)
    assert_exact(z, label, **options)
    value, gradient = driven(z, label, **options)
    assert not value[[rows // 2, rows - 1]].any()
    assert not gradient[[rows // 2, rows - 1]].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [3, 20, 200, 30_000])
def test_any_shift_of_the_logits(classes, dtype):
    shifts = (0, 200, 263.5, 264.5, 300, 1507, 1509, 1e4, 1e8, 1e14)
    z, label = draw(2 * len(shifts), classes, np.float32, scale=2.0)
    label[::2] = z[::2].argmax(-1)
    z = z + np.array([*shifts, *(-shift for shift in shifts)])[:, None]
    assert_exact(z.astype(dtype), label)
    assert_exact(z.astype(dtype), label, smoothing=0.3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [3, 20, 200, 30_000])
def test_a_constant_added_to_all_logits_changes_no_bit(classes, dtype):
    z, label = draw(20, classes, dtype)
    z = np.round(z.clip(-100, 100) * 1024) / dtype(1024)
    for options in ({}, {"smoothing": 0.1}):
        expected = driven(z, label, **options)
        for shift in (1, -37, 1000):
            found = driven(z + dtype(shift), label, **options)
            assert all(map(np.array_equal, found, expected))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [2, 10, 128, 200, 30_000])
def test_a_confident_row_keeps_its_digits(classes, dtype):
    gaps = np.linspace(1.0, 745.0 if dtype == np.float64 else 103.0, 40)
    z = np.zeros((80, classes), dtype)
    z[:, -1] = np.concatenate([gaps, gaps])
    assert_exact(z, np.repeat([classes - 1, 0], 40))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [4, 200])
def test_a_factor_of_any_size(classes, dtype):
    z, label = draw(20, classes, dtype)
    z = z.clip(-40, 40)
    for factor in (1e-36, 1e-20, 1e20, 1e30):
        assert_exact(z, label, factor=factor)
        assert_exact(z, label, factor=factor, smoothing=0.1)


# --- what is special in a row ------------------------------------------------------------------------------
SHAPES = ((20, 1), (20, 5), (20, 128), (20, 129), (20, 300), (3, 40_000))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_nan_anywhere_makes_its_row_nan_and_no_other(shape, dtype, smoothing):
    z, label = draw(*shape, dtype)
    value, gradient = driven(z, label, smoothing=smoothing)
    whole, quiet = (np.uint64, 0x7FF8 << 48) if dtype == np.float64 else (np.uint32, 0x7FC << 20)
    for bits in (quiet, quiet + 1, quiet + (quiet >> 4 & 0xFFFF) + 0x1234):
        nan = np.array(bits, whole).view(dtype)
        for place in {0, shape[1] // 2, shape[1] - 1}:
            spoilt = z.copy()
            spoilt[1, place] = nan
            found = driven(spoilt, label, smoothing=smoothing)
            assert np.isnan(found[0][1])
            assert np.isnan(found[1][1]).all()
            others = np.arange(shape[0]) != 1
            assert np.array_equal(found[0][others], value[others])
            assert np.array_equal(found[1][others], gradient[others])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_infinite_logits_are_limits(shape, dtype):
    rows, classes = shape
    z = np.zeros(shape, dtype)
    label = np.zeros(rows, int)
    z[0] = -np.inf
    z[1, 0] = np.inf
    z[2, classes - 1] = np.inf
    value, gradient = driven(z, label)
    assert errors(value[:1], np.log(LONG(classes)), np.array([1.0], dtype)) <= ULP
    expected = np.full(classes, 1 / classes)
    expected[0] -= 1
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-5, atol=1e-16)
    assert value[1] == 0.0
    assert not gradient[1].any()
    if classes > 1:
        assert value[2] == np.inf
        assert gradient[2, 0] == -1.0
        assert gradient[2, -1] == 1.0
        assert not gradient[2, 1:-1].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_classes_that_are_masked_by_infinity_count_nothing(shape, dtype):
    rows, classes = shape
    z, label = draw(*shape, dtype)
    masked = np.random.default_rng(0).random(shape) < 0.5
    masked[:, : classes // 2] = True
    masked[np.arange(rows), label] = False
    z[masked] = -np.inf
    assert_exact(z, label)
    assert not driven(z, label)[1][masked].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_ties(shape, dtype):
    z, label = draw(*shape, dtype)
    z[:, 1] = z[:, -1] = z[:, shape[1] // 2] = z.max(-1)
    label[::2] = 1
    for options in ({}, {"smoothing": 0.1}, {"smoothing": 0.1, "class_weight": np.linspace(0, 1, shape[1])}):
        assert_exact(z, label, **options)
        assert_exact(0 * z, label, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [5, 300])
def test_a_value_that_is_finite_does_not_overflow(classes, dtype):
    huge = np.finfo(dtype).max
    z = np.zeros((17, classes), dtype)
    z[:, 0], z[:, 1] = 0.45 * huge, -0.45 * huge
    value = driven(z, np.zeros(17, int), smoothing=1e-3)[0]
    share = LONG(dtype(1e-3)) / classes
    exact = share * LONG(z[0, 0]) * classes
    assert errors(value, exact, np.full(17, exact)) <= ULP


@pytest.mark.parametrize("classes", [3, 200, 40_000])
def test_a_label_that_is_no_class_is_found(classes):
    z = np.zeros((20, classes))
    for wrong in (-1, classes, 2**40):
        label = np.zeros(20, int)
        label[17] = wrong
        for divisor in (None, 0.0, 1.0):
            assert kernels.evaluate(softmax(), ("value",), z, label, divisor=divisor) is None
            assert kernels.evaluate(softmax(ignored=wrong), ("value",), z, label, divisor=divisor) is not None


# --- long rows -------------------------------------------------------------------------------------------
LONG_ROWS = (SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT // 2, 2 * SEGMENT + 7, 50_257)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", LONG_ROWS)
def test_long_rows(classes, dtype):
    z, label = draw(5, classes, dtype)
    z[1] = np.linspace(-300, 300, classes)  # the largest logit of every segment is larger than all before
    z[2, -1] = z[2].max() + 60  # and this one is far above all others
    z[3] = z[3, ::-1].cumsum()[::-1]
    label[2] = classes - 1
    assert_exact(z, label)
    assert_exact(z, label, smoothing=0.1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 70_000), (3, 3 * SEGMENT // 2), (5, 50_257), (8, 65_536)], ids=str)
def test_any_number_of_threads_gives_the_same_bits(shape, dtype):
    z, label = draw(*shape, dtype)
    z[0, -1] = 80.0
    weight = np.linspace(0, 1, shape[0]).astype(dtype)
    wanted = ("value", "gradient")
    for options in ({}, {"weight": weight, "smoothing": 0.1}):
        with kernels.threads(1):
            expected = [found.tobytes() for found in driven(z, label, wanted, **options)]
            total = driven(z, label, ("sum",), **options)
        for count in (2, 3, 4, 7, 16):
            with kernels.threads(count):
                found = [found.tobytes() for found in driven(z, label, wanted, **options)]
                assert found == expected, f"with {count} threads"
                assert driven(z, label, ("sum",), **options) == total


@pytest.mark.parametrize("classes", [7, 200, 50_000])
def test_a_row_gives_the_same_bits_among_any_others(classes):
    z, label = draw(19, classes, np.float32)
    value, gradient = driven(z, label)
    for row in (0, 8, 18):
        alone = driven(z[row:][:1], label[row:][:1])
        assert np.array_equal(alone[0], value[row:][:1])
        assert np.array_equal(alone[1], gradient[row:][:1])


# --- all builds --------------------------------------------------------------------------------------------
PRINT = """
import hashlib, numpy as np
from amiss import kernels
digest = hashlib.sha256()
for shape in ((1, 1), (37, 3), (20, 10), (33, 128), (9, 129), (7, 1000), (2, 50_257)):
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        z = rng.normal(scale=9, size=shape).astype(dtype)
        z[0, 0] += 300
        label = rng.integers(0, shape[1], shape[0])
        weight = rng.random(shape[0]).astype(dtype)
        for smoothing in (0.0, 0.1):
            kernel = kernels.softmax(tuple(rng.random(shape[1]).tolist()), None, smoothing)
            for target in (label, rng.random(shape).astype(dtype)):
                for divisor in (None, 1.0, 0.0 if target.ndim == 1 else 7.0):
                    for result in kernels.evaluate(kernel, ("value", "gradient"), z, target, weight, divisor):
                        digest.update(result.tobytes())
print(kernels.instruction_set(), digest.hexdigest())
"""


def test_every_instruction_set_gives_the_same_bits(monkeypatch):
    seen = {}
    for wish in ("avx2", "avx512"):
        monkeypatch.setenv("AMISS_ISA", wish)
        command = [sys.executable, "-c", PRINT]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        name, digest = printed.rsplit(maxsplit=1)
        seen[name] = digest
    assert len(set(seen.values())) == 1, seen
