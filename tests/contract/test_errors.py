"""A wrong call raises the right error, which names the loss, the argument, what was given and where."""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch
from contract.bad_inputs import OF_CLASSES, OF_ROWS, PER_ITEM, message, outside, spoiled
from losses_under_test import (
    LIBRARIES,
    TRACED,
    K,
    array,
    classes,
    close,
    draw,
    integers,
    name,
    numbers,
    numeric,
    variants,
)

import amiss


# --- the errors themselves ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "also"),
    [
        (amiss.ShapeError, ValueError),
        (amiss.ParameterError, ValueError),
        (amiss.DomainError, ValueError),
        (amiss.DTypeError, TypeError),
        (amiss.BackendError, TypeError),
    ],
)
def test_an_error_is_an_amiss_error_and_what_python_calls_it(error, also):
    assert issubclass(error, amiss.AmissError)
    assert issubclass(error, also)


# --- values ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_position_is_that_of_the_callers_layout(library):
    loss = amiss.CrossEntropy(input="probabilities", axis=1)
    prediction = np.full((2, 3, 5), 0.5)
    prediction[1, 2, 4] = 1.5
    with pytest.raises(amiss.DomainError, match=r"got prediction\[1, 2, 4\] = 1.5"):
        loss(array(library, prediction), array(library, np.zeros((2, 5), np.int64)))


@pytest.mark.parametrize("library", LIBRARIES)
def test_further_bad_entries_are_counted(library):
    target = array(library, np.array([0.0, 2.0, 3.0, 1.0]))
    with pytest.raises(amiss.DomainError, match=r"target\[1\] = 2.0 \(1 more entry is outside too\)"):
        amiss.BinaryCrossEntropy()(array(library, np.zeros(4)), target)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", variants(), ids=name)
def test_items_of_weight_0_are_not_validated(loss, library):
    weight = np.array([1.0, 0.0, 1.0, 1.0])
    prediction, target = draw(loss, (4,))
    expected = loss.value_and_gradient(prediction, target, weight)
    for bad_prediction in (1e3, -1e3, np.nan, np.inf, -np.inf):
        for bad_target in (7.0, -7.0, np.nan):
            here = [spoiled(prediction, 1, bad_prediction), spoiled(target, 1, bad_target), weight]
            found = loss.value_and_gradient(*(array(library, x) for x in here))
            for x, y in zip(found, expected, strict=True):
                close(x, y)
    if loss in OF_CLASSES:
        index = integers(loss, (4,))
        expected = loss.value_and_gradient(prediction, index, weight)
        index[1] = 99
        found = loss.value_and_gradient(*(array(library, x) for x in (prediction, index, weight)))
        for x, y in zip(found, expected, strict=True):
            close(x, y)


# --- types ------------------------------------------------------------------------------------------------
def test_a_ragged_list_is_refused():
    with pytest.raises(amiss.ShapeError) as raised:
        amiss.SquaredError()([[1.0], [2.0, 3.0]], [[0.0], [0.0, 0.0]])
    message(raised, "SquaredError", "prediction")


@pytest.mark.parametrize("here", TRACED)
@pytest.mark.parametrize("there", TRACED)
def test_arrays_of_two_libraries_are_refused(here, there):
    if here == there:
        return
    x = np.ones(3)
    for arguments, argument in ((0, 1), "target"), ((0, 0, 1), "weight"):
        given = [array((here, there)[i], x) for i in arguments]
        with pytest.raises(amiss.BackendError) as raised:
            amiss.SquaredError()(*given)
        text = message(raised, "SquaredError", argument)
        assert here in text
        assert there in text


@pytest.mark.parametrize("library", TRACED)
def test_a_tensor_target_of_a_numpy_prediction_is_refused(library):
    with pytest.raises(amiss.BackendError, match=f"a numpy prediction and a {library} target"):
        amiss.SquaredError()(np.ones(3), array(library, np.ones(3)))


def test_an_array_of_an_unknown_library_is_refused():
    class Foreign:
        __module__ = "mlx.core"

        def __array__(self, dtype=None, copy=None):
            return np.ones(3)

    for arguments in ((Foreign(), np.ones(3)), (np.ones(3), Foreign())):
        with pytest.raises(amiss.BackendError, match=r"mlx\.Foreign|mlx\.core\.Foreign"):
            amiss.SquaredError()(*arguments)


# --- parameters ---------------------------------------------------------------------------------------------
NUMERIC = [(loss, key, about["domain"]) for loss in classes() for key, about in numeric(loss).items()]


def _tracer(loss, key):
    return jax.jit(lambda x: loss(**{key: x})(x, x))(1.0)


@pytest.mark.parametrize(("loss", "key", "domain"), NUMERIC, ids=lambda x: x if isinstance(x, str) else "")
def test_a_parameter_is_a_python_number(loss, key, domain):
    bad = [True, None, "1", 1j, [1.0], torch.tensor(0.25), jnp.asarray(0.25), tf.constant(0.25), np.ones(1)]
    for value in bad:
        with pytest.raises(amiss.ParameterError) as raised:
            loss(**{key: value})
        message(raised, loss.__name__, key)
    with pytest.raises(amiss.ParameterError, match="must be a Python number"):
        _tracer(loss, key)
    inside = next(x for x in (0.25, 1) if x in domain)
    for fine in (np.float32(inside), np.float64(inside), inside):
        assert type(getattr(loss(**{key: fine}), key)) is float


OPTIONS = [
    (loss, key, about["choices"])
    for loss in classes()
    for key, about in loss.parameters().items()
    if "choices" in about
]


@pytest.mark.parametrize(("loss", "key", "choices"), OPTIONS, ids=lambda x: x if isinstance(x, str) else "")
def test_an_unknown_option_lists_the_known_ones_and_the_nearest(loss, key, choices):
    for choice in choices:
        with pytest.raises(amiss.ParameterError) as raised:
            loss(**{key: choice[:-1]})
        text = message(raised, loss.__name__, key) if str(raised.value).endswith(".") else str(raised.value)
        assert ", ".join(map(repr, choices)) in text
        assert f"Did you mean {choice!r}?" in text
    for bad in (None, 1, ""):
        with pytest.raises(amiss.ParameterError, match=key):
            loss(**{key: bad})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"axis": 1.5}, "axis must be a whole number; got 1.5"),
        ({"axis": True}, "axis must be a whole number; got True"),
        ({"axis": None}, "axis must be a whole number; got None"),
        ({"ignore_index": 0.5}, "ignore_index must be a whole number or None; got 0.5"),
        ({"ignore_index": "pad"}, "ignore_index must be a whole number or None; got 'pad'"),
        ({"class_weight": ()}, "class_weight must be a sequence"),
        ({"class_weight": 2.0}, "class_weight must be a sequence"),
        ({"class_weight": "abc"}, "class_weight must be a sequence"),
        ({"class_weight": (1.0, -1.0)}, "got class_weight[1] = -1.0"),
        ({"class_weight": (1.0, np.nan)}, "got class_weight[1] = nan"),
        ({"class_weight": (1.0, np.inf)}, "got class_weight[1] = inf"),
        ({"class_weight": (1.0, "2")}, "got class_weight[1] = '2'"),
        ({"class_weight": (0.0, 0.0)}, "got only zeros"),
        ({"class_weight": np.ones((2, 2))}, "got ndarray"),
        ({"class_weight": torch.ones(2)}, "got Tensor"),
        ({"class_weight": {0: 1.0, 1: 2.0}}, "got dict"),
    ],
    ids=str,
)
def test_a_wrong_setting_of_cross_entropy_is_refused(given, says):
    with pytest.raises(amiss.ParameterError) as raised:
        amiss.CrossEntropy(**given)
    assert says in message(raised, "CrossEntropy", next(iter(given)))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"reduction": None}, "reduction must be one of 'mean', 'sum', 'none'; got None"),
        ({"empty": "ignore"}, "empty must be one of 'nan', 'zero', 'raise'; got 'ignore'"),
        ({"normalizer": 0}, "normalizer must be a positive finite number; got 0"),
        ({"normalizer": -2.0}, "normalizer must be a positive finite number; got -2.0"),
        ({"normalizer": np.nan}, "normalizer must be a positive finite number; got nan"),
        ({"normalizer": np.inf}, "normalizer must be a positive finite number; got inf"),
        (
            {"normalizer": 2, "reduction": "sum"},
            "normalizer must come with reduction='mean'; got reduction='sum'",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("loss", PER_ITEM, ids=name)
def test_a_wrong_reduction_is_refused(loss, given, says):
    prediction, target = draw(loss, (2,))
    for method in (loss, loss.gradient, loss.hessian, loss.value_and_gradient, loss.gradient_and_hessian):
        with pytest.raises(amiss.ParameterError) as raised:
            method(prediction, target, **given)
        assert says in message(raised, loss, next(iter(given)))


# --- names -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spelling", "nearest"),
    [
        ("hubr", "huber"),
        ("mes", "mse"),
        ("hinges", "hinge"),
        ("MSELos", "MSELoss"),
        ("cross_entopy", "cross_entropy"),
    ],
)
def test_a_misspelt_name_suggests_the_nearest(spelling, nearest):
    with pytest.raises(
        amiss.ParameterError, match=f"no loss is called '{spelling}'. Did you mean '{nearest}'?"
    ):
        amiss.get(spelling)


def test_an_unlike_name_suggests_nothing():
    with pytest.raises(amiss.ParameterError) as raised:
        amiss.get("zzzzzz")
    assert "Did you mean" not in str(raised.value)


def test_a_misspelt_parameter_suggests_the_nearest():
    with pytest.raises(
        amiss.ParameterError, match=r"no parameter is called 'dleta'; .*Did you mean 'delta'\?"
    ):
        amiss.get("huber", dleta=2.0)


@pytest.mark.parametrize("wrong", [None, 3, amiss.Huber, ["mse"]], ids=str)
def test_a_name_is_a_string_or_a_loss(wrong):
    with pytest.raises(amiss.ParameterError, match="name must be a string or a loss"):
        amiss.get(wrong)


def test_a_loss_takes_no_parameters_on_the_way():
    with pytest.raises(
        amiss.ParameterError, match=r"parameters must come with a name; got the loss Huber\(delta=1.0\)"
    ):
        amiss.get(amiss.Huber(), delta=2.0)


# --- what is checked ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("loss", PER_ITEM, ids=name)
def test_checks_of_shapes_alone_make_a_bad_item_nan(loss, library):
    for prediction, target in with_a_bad_item(loss):
        with amiss.checks("shapes"):
            values = numbers(loss(array(library, prediction), array(library, target), reduction="none"))
            gradient = numbers(
                loss.gradient(array(library, prediction), array(library, target), reduction="sum")
            )
            assert np.isnan(numbers(loss(array(library, prediction), array(library, target))))
            with pytest.raises(amiss.ShapeError):
                loss(array(library, prediction), array(library, target[:2]))
        assert_only_item_1_is_nan(values, gradient)
        with pytest.raises(amiss.DomainError):
            loss(array(library, prediction), array(library, target))


@pytest.mark.parametrize("library", TRACED)
def test_checks_of_values_read_also_what_is_not_cheap_to_read(library, monkeypatch):
    # Stands for an accelerator: what can be read, but is not read by default.
    prediction, target = array(library, np.zeros((2, K))), array(library, np.array([0, 7]))
    from amiss.arrays import namespace_of

    monkeypatch.setattr(type(namespace_of(prediction)), "visible", lambda self, x: False)
    loss = amiss.CrossEntropy()
    assert np.isnan(numbers(loss(prediction, target)))
    with amiss.checks("values"), pytest.raises(amiss.DomainError, match=r"target\[1\] = 7"):
        loss(prediction, target)
    assert np.isnan(numbers(loss(prediction, target)))


def test_checks_of_values_leave_traced_programs_alone():
    with amiss.checks("values"):
        assert jnp.isnan(jax.jit(amiss.CrossEntropy())(jnp.zeros((2, K)), jnp.array([0, 7])))


def test_a_level_of_checks_is_one_of_two():
    with (
        pytest.raises(amiss.ParameterError, match="level must be 'values' or 'shapes'; got 'none'"),
        amiss.checks("none"),
    ):
        pass


def test_nested_checks_end_with_their_block():
    loss = amiss.BinaryCrossEntropy()
    with amiss.checks("shapes"):
        with amiss.checks("values"), pytest.raises(amiss.DomainError):
            loss([0.0], [2.0])
        assert np.isnan(loss([0.0], [2.0]))
    with pytest.raises(amiss.DomainError):
        loss([0.0], [2.0])


# --- traced programs ---------------------------------------------------------------------------------------
def with_a_bad_item(loss):
    """Yield predictions and targets whose item 1 is bad, and no other."""
    prediction, target = draw(loss, (4,))
    place = (1, 2) if loss in OF_ROWS else 1
    for bad in outside(loss.target_domain):
        yield prediction, spoiled(target, place, bad)
    for bad in outside(loss.prediction_domain):
        yield spoiled(prediction, place, bad), target
    if loss in OF_CLASSES:
        for bad in (K, -1, -100):
            index = integers(loss, (4,))
            index[1] = bad
            yield prediction, index


def assert_only_item_1_is_nan(values, gradient):
    expected = np.array([False, True, False, False])
    np.testing.assert_array_equal(np.isnan(values), expected)
    np.testing.assert_array_equal(np.isnan(gradient.reshape(4, -1)).all(1), expected)
    np.testing.assert_array_equal(np.isnan(gradient.reshape(4, -1)).any(1), expected)


TRACEABLE = [loss for loss in PER_ITEM if next(with_a_bad_item(loss), None) is not None]


@pytest.mark.parametrize("loss", TRACEABLE, ids=name)
def test_under_jit_a_bad_item_is_nan_and_no_other(loss):
    each, summed = partial(loss, reduction="none"), partial(loss, reduction="sum")
    program = jax.jit(lambda p, t: (each(p, t), jax.grad(summed)(p, t)))
    for prediction, target in with_a_bad_item(loss):
        values, gradient = program(prediction, target)
        assert_only_item_1_is_nan(numbers(values), numbers(gradient))


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "XLA"])
@pytest.mark.parametrize("loss", TRACEABLE, ids=name)
def test_in_a_tensorflow_function_a_bad_item_is_nan_and_no_other(loss, jit_compile):
    @tf.function(jit_compile=jit_compile)
    def program(prediction, target):
        with tf.GradientTape() as tape:
            tape.watch(prediction)
            total = loss(prediction, target, reduction="sum")
        return loss(prediction, target, reduction="none"), tape.gradient(total, prediction)

    for prediction, target in with_a_bad_item(loss):
        values, gradient = program(tf.constant(prediction), tf.constant(target))
        assert_only_item_1_is_nan(numbers(values), numbers(gradient))


@pytest.mark.parametrize("loss", TRACEABLE, ids=name)
def test_compiled_by_torch_a_bad_item_is_nan_and_no_other(loss):
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        program = torch.compile(partial(loss, reduction="none"), fullgraph=True, backend="aot_eager")
        for prediction, target in with_a_bad_item(loss):
            given = torch.tensor(prediction, requires_grad=True)
            values = program(given, torch.tensor(target))
            values.sum().backward()
            assert_only_item_1_is_nan(numbers(values), numbers(given.grad))


@pytest.mark.parametrize("loss", TRACEABLE, ids=name)
def test_under_torch_vmap_a_bad_item_is_nan_and_no_other(loss):
    summed = partial(loss, reduction="sum")
    for prediction, target in with_a_bad_item(loss):
        given = torch.tensor(prediction), torch.tensor(target)
        values, gradient = torch.func.vmap(summed)(*given), torch.func.vmap(torch.func.grad(summed))(*given)
        assert_only_item_1_is_nan(numbers(values), numbers(gradient))
