"""What holds of `amiss.keras` on the backend that KERAS_BACKEND names; a script that prints what does not."""

import copy
import inspect
import io
import json
import pickle
import sys
import tempfile
import traceback
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import keras
import losses_under_test as drawn
import numpy as np
import pytest
from keras import layers, ops
from losses_under_test import numbers

import amiss
import amiss.keras as twins

RNG = np.random.default_rng(0)
X, Y = (RNG.normal(size=(6, 2)).astype("float32") for _ in range(2))
Z = RNG.normal(size=(6, 3)).astype("float32")
P, Q = 1 / (1 + np.exp(-X)), (np.exp(Z) / np.exp(Z).sum(1, keepdims=True)).astype("float32")
LABELS, INDEX = (Y > 0).astype("float32"), np.array([0, 2, 1, 1, 2, 0])
ROWS = np.eye(3, dtype="float32")[INDEX]
WEIGHT = np.array([1.0, 2.0, 0.0, 1.0, 0.5, 3.0], "float32")
REDUCTIONS = ("sum_over_batch_size", "sum", "none", "mean", "mean_with_sample_weight", None)

THEIRS = keras.losses
SAME = {
    "MeanSquaredError": (twins.MeanSquaredError, THEIRS.MeanSquaredError, {}, Y, X),
    "SquaredError": (twins.SquaredError, THEIRS.MeanSquaredError, {}, Y, X),
    "MeanAbsoluteError": (twins.MeanAbsoluteError, THEIRS.MeanAbsoluteError, {}, Y, X),
    "Huber": (twins.Huber, THEIRS.Huber, {"delta": 0.7}, Y, X),
    "Hinge": (twins.Hinge, THEIRS.Hinge, {}, 2 * LABELS - 1, X),
    "SquaredHinge": (twins.SquaredHinge, THEIRS.SquaredHinge, {}, 2 * LABELS - 1, X),
    "LogCosh": (twins.LogCosh, THEIRS.LogCosh, {}, Y, X),
    "Poisson": (twins.Poisson, THEIRS.Poisson, {}, np.abs(Y), 1 + P),
    "KLDivergence": (twins.KLDivergence, THEIRS.KLDivergence, {}, Q[::-1], Q),
    "BinaryCrossentropy": (twins.BinaryCrossentropy, THEIRS.BinaryCrossentropy, {}, LABELS, P),
    "BinaryCrossentropy of logits": (
        twins.BinaryCrossentropy,
        THEIRS.BinaryCrossentropy,
        {"from_logits": True, "label_smoothing": 0.2},
        LABELS,
        X,
    ),
    "BinaryCrossentropy along axis 0": (
        twins.BinaryCrossentropy,
        THEIRS.BinaryCrossentropy,
        {"axis": 0},
        LABELS,
        P,
    ),
    "CategoricalCrossentropy": (twins.CategoricalCrossentropy, THEIRS.CategoricalCrossentropy, {}, ROWS, Q),
    "CategoricalCrossentropy of logits": (
        twins.CategoricalCrossentropy,
        THEIRS.CategoricalCrossentropy,
        {"from_logits": True, "label_smoothing": 0.2},
        ROWS,
        Z,
    ),
    "SparseCategoricalCrossentropy": (
        twins.SparseCategoricalCrossentropy,
        THEIRS.SparseCategoricalCrossentropy,
        {},
        INDEX,
        Q,
    ),
    "SparseCategoricalCrossentropy, a class ignored": (
        twins.SparseCategoricalCrossentropy,
        THEIRS.SparseCategoricalCrossentropy,
        {"from_logits": True, "ignore_class": 1},
        INDEX,
        Z,
    ),
}


def near(ours, theirs, rtol=2e-6, atol=1e-6):
    np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=rtol, atol=atol)


def raises(error, words, function, *arguments, **keywords):
    with pytest.raises(error) as raised:
        function(*arguments, **keywords)
    assert words in str(raised.value)


def tensor(x, dtype=None):
    return ops.convert_to_tensor(x, dtype=dtype)


def value_and_gradient(function, x):
    """Return a number and its derivative by the backend's own differentiation; JAX compiles both."""
    backend, x = keras.backend.backend(), tensor(x)
    if backend == "jax":
        import jax

        return jax.jit(jax.value_and_grad(function))(x)
    return function(x), drawn.tape_gradient(backend, function, x)


def classes():
    return [getattr(twins, name) for name in twins.__all__ if name != "metrics"]


def parameters(loss):
    return {name: getattr(loss, name) for name in loss.parameters()}


def twin_of(loss, **options):
    return getattr(twins, type(loss).__name__)(**parameters(loss), **options)


def cases():
    """Return every loss with every structural option, and inputs of float32 for it."""
    for loss in drawn.variants():
        prediction, target = drawn.draw(loss, (6,) if drawn.is_row(loss) else (6, 2))
        yield loss, prediction.astype("float32"), target.astype("float32")


def model(width, loss, activation=None, **options):
    """Return a small model with the same weights each time."""
    keras.utils.set_random_seed(1)
    made = keras.Sequential([layers.Input((3,)), layers.Dense(width, activation=activation)])
    made.compile(keras.optimizers.SGD(0.1), loss=loss, **options)
    return made


def trained(width, loss, y, activation=None, jit_compile="auto", **fit):
    made = model(width, loss, activation, jit_compile=jit_compile)
    made.fit(Z, y, epochs=2, batch_size=4, shuffle=False, verbose=0, **fit)
    return made.get_weights()


def equal_training(ours, theirs, width, y, activation=None, **fit):
    for mine, other in zip(
        trained(width, ours, y, activation, **fit), trained(width, theirs, y, activation, **fit), strict=True
    ):
        near(mine, other, rtol=1e-5, atol=1e-6)


# --- every loss -------------------------------------------------------------------------------------------
def every_loss_has_a_class_and_a_metric():
    for loss in drawn.classes():
        assert issubclass(getattr(twins, loss.__name__), keras.losses.Loss)
        assert issubclass(getattr(twins.metrics, loss.__name__), keras.metrics.Metric)


def every_value_and_gradient_is_that_of_the_loss():
    for loss, prediction, target in cases():
        twin = twin_of(loss)
        value, gradient = value_and_gradient(lambda x, f=twin, y=target: f(y, x), prediction)
        near(value, loss(prediction, target), rtol=1e-5)
        near(gradient, loss.gradient(prediction, target), rtol=2e-5)


def a_metric_is_the_loss_of_all_batches_together():
    one_of_each_kind = {type(loss).__bases__: (loss, *inputs) for loss, *inputs in cases()}
    assert len(one_of_each_kind) > 4
    for loss, prediction, target in one_of_each_kind.values():
        metric = getattr(twins.metrics, type(loss).__name__)(**parameters(loss))
        for part in (slice(0, 3), slice(3, 6)):  # of weights 3 and 4.5
            metric.update_state(target[part], prediction[part], WEIGHT[part])
        near(metric.result(), loss(prediction, target, WEIGHT), rtol=1e-5)
        metric.reset_state()
        assert float(metric.result()) == 0.0


def every_configuration_keeps_all_parameters():
    for loss in drawn.few():
        made = twin_of(loss, reduction="sum", name="mine", dtype="float64")
        again = type(made).from_config(json.loads(json.dumps(made.get_config())))
        assert (again.loss, again.reduction, again.name, again.dtype) == (loss, "sum", "mine", "float64")
        metric = getattr(twins.metrics, type(loss).__name__)(**parameters(loss), name="mine")
        again = keras.metrics.deserialize(keras.metrics.serialize(metric))
        assert (type(again), again.expected.loss, again.name) == (type(metric), loss, "mine")


def every_class_is_copied_pickled_and_registered():
    for made in classes():
        twin = made()
        for again in (copy.deepcopy(twin), pickle.loads(pickle.dumps(twin))):
            assert (type(again), again.get_config()) == (made, twin.get_config())
        again = keras.losses.deserialize(keras.losses.serialize(twin))
        assert (type(again), again.get_config()) == (made, twin.get_config())


# --- the same as Keras ------------------------------------------------------------------------------------
def values_are_those_of_keras():
    for ours, theirs, given, y_true, y_pred in SAME.values():
        near(*(made(**given, reduction="none")(y_true, y_pred) for made in (ours, theirs)))


def every_spelling_of_a_reduction_means_what_it_means_in_keras():
    for reduction in REDUCTIONS:
        for weight in (None, WEIGHT):
            a, b = (
                made(reduction=reduction)(Y, X, weight)
                for made in (twins.SquaredError, THEIRS.MeanSquaredError)
            )
            near(a, b)


def weighted_values_are_those_of_keras():
    for name, (ours, theirs, given, y_true, y_pred) in SAME.items():
        if "axis 0" in name:
            continue  # Keras multiplies two numbers by six weights
        near(*(made(**given)(y_true, y_pred, WEIGHT) for made in (ours, theirs)))


def constructors_take_what_those_of_keras_take():
    for made in classes():
        if made.spelling.startswith("keras."):
            assert inspect.signature(made) == inspect.signature(getattr(THEIRS, made.__name__))


def an_instance_of_a_class_of_keras_has_its_inputs_by_default():
    of_probabilities = [
        made for made in classes() if hasattr(THEIRS, made.__name__) and hasattr(made().loss, "input")
    ]
    assert len(of_probabilities) > 4
    assert {made().loss.input for made in of_probabilities} == {"probabilities", "rate"}
    assert twins.BinaryCrossEntropy().loss.input == "logits"


def training_is_that_of_keras():
    equal_training(twins.BinaryCrossentropy(), THEIRS.BinaryCrossentropy(), 1, LABELS[:, 0], "sigmoid")


def training_with_sample_weights_is_that_of_keras():
    equal_training(twins.SquaredError(), THEIRS.MeanSquaredError(), 2, Y, sample_weight=WEIGHT)


def training_with_class_weights_is_that_of_keras():
    weight = {0: 0.5, 1: 2.0, 2: 1.0}
    ours, theirs = twins.SparseCategoricalCrossentropy(), THEIRS.SparseCategoricalCrossentropy()
    equal_training(ours, theirs, 3, INDEX, "softmax", class_weight=weight)


def training_compiled_by_xla_is_that_of_keras():
    if keras.backend.backend() != "torch":  # there it would ask for a C++ compiler
        ours, theirs = twins.CrossEntropy(), THEIRS.SparseCategoricalCrossentropy(from_logits=True)
        equal_training(ours, theirs, 3, INDEX, jit_compile=True)


def training_with_a_mask_is_that_of_keras():
    words = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [1, 1, 2, 3]])
    y = np.array([[0, 1, 2, 2], [1, 0, 0, 0], [2, 1, 0, 1]])
    found = []
    for loss in (twins.CrossEntropy(), THEIRS.SparseCategoricalCrossentropy(from_logits=True)):
        keras.utils.set_random_seed(1)
        made = keras.Sequential([layers.Embedding(4, 3, mask_zero=True), layers.Dense(3)])
        made.compile(keras.optimizers.SGD(0.1), loss=loss)
        printed = made.fit(words, y, epochs=2, verbose=0).history["loss"]
        found.append((printed, made.get_weights()))
    near(found[0][0], found[1][0])
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        near(ours, theirs, rtol=1e-5)


# --- shapes -----------------------------------------------------------------------------------------------
def one_trailing_axis_is_dropped_or_added():
    column, twin = X[:, :1], twins.SquaredError()
    expected = np.mean((column[:, 0] - Y[:, 0]) ** 2)
    for y_true, y_pred in ((Y[:, 0], column), (Y[:, :1], column[:, 0]), (Y[:, 0], column[:, 0])):
        near(twin(y_true, y_pred), expected)
    near(twin(Y[:, :, None], X), np.mean((X - Y) ** 2))
    near(twin(Y, X[:, :, None]), np.mean((X - Y) ** 2))
    near(twins.CrossEntropy()(INDEX[:, None], Z), amiss.CrossEntropy()(Z, INDEX))


def nothing_else_is_broadcast():
    twin = twins.SquaredError()
    for y_true, y_pred in ((Y[:, :1], X), (Y[:1], X), (Y[0], X), (Y[:, 0], X), (Y[None], X[:1])):
        raises(amiss.ShapeError, "never broadcasts", twin, y_true, y_pred)
    raises(amiss.ShapeError, "must have the items' shape", twin, Y, X, np.ones(5, "float32"))
    raises(amiss.ShapeError, "target must have shape", twins.CrossEntropy(), INDEX[:4], Z)


def weights_of_rows_weigh_rows():
    square = X[:2, :2] - Y[:2, :2]
    weight = np.array([1.0, 3.0], "float32")
    expected = np.sum(weight[:, None] * square**2) / 4
    for given in (weight, weight[:, None], np.stack([weight, weight], 1)):
        near(twins.SquaredError()(Y[:2], X[:2], given), expected)
    sequences, steps = np.stack([Z, Z]), np.stack([INDEX, INDEX])
    near(
        twins.CrossEntropy()(steps, sequences, weight),
        np.sum(weight[:, None] * amiss.CrossEntropy()(sequences, steps, reduction="none")) / 12,
    )
    near(twins.CrossEntropy()(INDEX, Z, WEIGHT[:, None]), twins.CrossEntropy()(INDEX, Z, WEIGHT))


def a_vector_is_weighed_item_by_item():
    error = np.array([1.0, 2.0, 6.0], "float32")
    twin = twins.SquaredError(reduction="mean_with_sample_weight")
    near(twin(0 * error, error, np.array([1.0, 2.0, 5.0])), (1 + 8 + 180) / 8)


# --- targets ----------------------------------------------------------------------------------------------
def labels_of_any_dtype_are_taken():
    expected = amiss.CrossEntropy()(Z, INDEX)
    for dtype in ("int8", "uint8", "int16", "int32", "int64", "float32", "float64"):
        near(twins.CrossEntropy()(INDEX.astype(dtype), Z), expected)
    near(twins.CrossEntropy()(ROWS.astype(bool), Z), expected)
    near(
        twins.BinaryCrossentropy(from_logits=True)(LABELS.astype(bool), X),
        amiss.BinaryCrossEntropy()(X, LABELS),
    )


def class_257_is_class_257_in_half_precision():
    scores = 50 * np.eye(300, dtype="float32")[257:258]
    value = twins.CrossEntropy(dtype="bfloat16")(np.array([257]), scores)
    assert float(ops.cast(value, "float32")) < 1e-6


def a_label_that_is_no_class_is_refused_or_nan():
    twin = twins.CrossEntropy()
    raises(amiss.DomainError, "a class index in 0..2; got target[1] = 7", twin, np.array([0, 7]), Z[:2])
    raises(amiss.DTypeError, "must hold whole numbers", twin, np.array([0.0, 0.5]), Z[:2])
    if keras.backend.backend() != "torch":  # which trains without compiling: there it is refused as above
        for label in (7.0, 0.5, -1.0):
            made = model(3, twins.CrossEntropy())
            with redirect_stdout(io.StringIO()):
                printed = made.evaluate(Z, np.where(INDEX == 0, label, INDEX), verbose=0)
            assert np.isnan(printed)


def ignored_targets_count_for_nothing():
    for target in (np.where(INDEX == 1, -1, INDEX), np.where(INDEX == 1, -1.0, INDEX)):
        value = twins.CrossEntropy(ignore_index=-1)(target, Z)
        near(value, amiss.CrossEntropy()(Z[INDEX != 1], INDEX[INDEX != 1]))


def over_nothing_the_loss_is_0_as_in_keras():
    weights = np.zeros(6, "float32")
    assert float(twins.CrossEntropy(ignore_index=-1)(np.full(6, -1), Z)) == 0.0
    for reduction in ("sum", "mean", "mean_with_sample_weight"):
        assert float(twins.SquaredError(reduction=reduction)(Y, X, weights)) == 0.0
        assert float(twins.SquaredError(reduction=reduction)(Y[:0], X[:0])) == 0.0


def a_nan_of_weight_0_reaches_neither_value_nor_gradient():
    prediction, weight = X.copy(), np.ones(6, "float32")
    prediction[2], weight[2] = np.nan, 0.0
    twin = twins.SquaredError()
    near(twin(Y, prediction, weight), np.sum(np.delete(X - Y, 2, 0) ** 2) / 12)
    found = numbers(value_and_gradient(lambda x: twin(Y, x, weight), prediction)[1])
    assert np.isfinite(found).all()
    assert (found[2] == 0).all()


# --- precision, programs, files ---------------------------------------------------------------------------
def mixed_precision_trains():
    for policy in ("mixed_bfloat16", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        try:
            made = model(3, twins.CrossEntropy(), jit_compile=False)
            history = made.fit(Z, INDEX, epochs=3, verbose=0).history["loss"]
        finally:
            keras.config.set_dtype_policy("float32")
        assert np.isfinite(history).all()
        assert history[-1] < history[0]


def half_precision_is_computed_in_single():
    for dtype in ("float16", "bfloat16"):
        value = twins.SquaredError(dtype=dtype)(np.zeros((1, 1)), np.full((1, 1), 300.0))
        near(ops.cast(value, "float32"), 90000.0, rtol=1e-2)


def the_tails_keep_their_digits():
    confident = np.array([[18.0, 0.0, 0.0]], "float32")
    near(twins.CrossEntropy()(np.array([0]), confident), np.log1p(2 * np.exp(-18.0)), rtol=1e-6, atol=0)


def symbolic_tensors_have_a_loss():
    y, x, weight = (keras.KerasTensor(shape) for shape in ((None, 3), (None, 3), (None,)))
    assert twins.Huber()(y, x).shape == ()
    assert twins.Huber(reduction="none")(y, x, weight).shape == (None,)
    index = keras.KerasTensor((None,), dtype="int32")
    assert twins.CrossEntropy(reduction="none")(index, x).shape == (None,)
    assert twins.Dice()(index, x).dtype == "float32"


def lengths_that_only_a_running_program_knows_are_taken():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        unknown = [tf.TensorSpec((None, None)), tf.TensorSpec((None, None))]
        for reduction in ("sum", "mean", "none"):
            twin = twins.SquaredError(reduction=reduction)
            traced = tf.function(lambda y, x, f=twin: f(y, x), input_signature=unknown)
            near(traced(Y, X), twin(Y, X))


def replicas_share_a_mean():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found = []
        for loss in (twins.CrossEntropy(), THEIRS.SparseCategoricalCrossentropy(from_logits=True)):
            with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
                found.append(trained(3, loss, INDEX))
        for ours, theirs in zip(*found, strict=True):
            near(ours, theirs, rtol=1e-5)


def several_outputs_have_several_losses():
    inputs = layers.Input((3,))
    heads = {"a": layers.Dense(1, name="a")(inputs), "b": layers.Dense(3, name="b")(inputs)}
    made = keras.Model(inputs, heads)
    made.compile("sgd", loss={"a": twins.Huber(), "b": twins.CrossEntropy()})
    found = made.predict(Z, verbose=0)
    printed = made.evaluate(Z, {"a": Y[:, 0], "b": INDEX}, verbose=0)
    near(
        printed[0],
        amiss.Huber()(found["a"][:, 0], Y[:, 0]) + amiss.CrossEntropy()(found["b"], INDEX),
        rtol=1e-5,
    )


def a_saved_model_keeps_loss_and_metric():
    loss = twins.CrossEntropy(label_smoothing=0.1, class_weight=(1.0, 2.0, 3.0), ignore_index=-1)
    metric = twins.metrics.CrossEntropy(label_smoothing=0.1)
    made = model(3, loss, metrics=[metric, twins.metrics.Dice(input="logits")])
    made.fit(Z, INDEX, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, at Keras' own writing of files
            made.save(Path(folder) / "model.keras")
        again = keras.models.load_model(Path(folder) / "model.keras")
    assert again.loss.loss == loss.loss
    near(again.evaluate(Z, INDEX, verbose=0), made.evaluate(Z, INDEX, verbose=0))
    again.fit(Z, INDEX, verbose=0)


def evaluate_adds_exact_totals():
    made = model(
        2, twins.SquaredError(), metrics=[twins.metrics.SquaredError(), twins.metrics.RootMeanSquaredError()]
    )
    squares = (made.predict(Z, verbose=0) - Y) ** 2
    _, mean, root = made.evaluate(Z, Y, batch_size=4, verbose=0)  # batches of 4 and 2
    near([mean, root], [squares.mean(), np.sqrt(squares.mean())])


def a_metric_leaves_masked_items_out():
    words, y = np.array([[1, 2, 0], [3, 0, 0]]), np.array([[0, 1, 1], [1, 0, 0]])
    made = keras.Sequential([layers.Embedding(4, 3, mask_zero=True), layers.Dense(3)])
    made.compile("sgd", loss=twins.CrossEntropy(), metrics=[twins.metrics.CrossEntropy()])
    logits = made.predict(words, verbose=0)
    value, metric = made.evaluate(words, y, verbose=0)
    expected = amiss.CrossEntropy()(logits[words > 0], y[words > 0])
    near([value, metric], [expected, expected])


def errors_say_what_to_do():
    raises(amiss.ParameterError, "no argument is called 'detla'", twins.Huber, detla=2.0)
    raises(amiss.ParameterError, "Did you mean 'delta'?", twins.metrics.Huber, detla=2.0)
    raises(amiss.ParameterError, "delta must be in (0, inf); got -1.0", twins.Huber, -1.0)
    raises(
        amiss.ParameterError, "reduction must be one of 'sum_over_batch_size'", twins.Huber, reduction="avg"
    )
    raises(amiss.ParameterError, "a loss of the whole batch", twins.Dice, reduction="none")
    raises(amiss.ParameterError, "too many positional arguments", twins.Huber, 1.0, "sum", "a", None, 5)


CHECKS = {
    name: check
    for name, check in list(globals().items())
    if inspect.isfunction(check) and check.__module__ == __name__ and not inspect.signature(check).parameters
    if name not in ("classes", "cases")
}


def failure(name):
    """Return the traceback of a check that fails, else an empty text."""
    try:
        CHECKS[name]()
    except (Exception, pytest.fail.Exception):
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: failure(name) for name in CHECKS}))
