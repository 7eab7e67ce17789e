"""What a loss says of its peers is so: each sentence about PyTorch, Keras, optax or scikit-learn is run."""

import inspect
import math

import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
import torch
from losses_under_test import classes
from sklearn import ensemble, metrics, svm
from sklearn._loss import loss as private

import amiss

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 2)), RNG.normal(size=(6, 2))
LABELS = (Y > 0).astype(float)
SIGNS = 2 * LABELS - 1
P = 1 / (1 + np.exp(-X))
Z, INDEX = RNG.normal(size=(6, 3)), np.array([0, 2, 1, 1, 2, 0])
Q = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
ROWS = RNG.dirichlet(np.ones(3), 6)
COUNTS = RNG.poisson(3.0, (6, 2)).astype(float)
ONE, ZERO = np.array([1.0]), np.array([0.0])

K, T, OPTAX = keras.losses, torch.nn, optax.losses


def same(ours, theirs, rel=2e-6):
    """Return whether two results are equal to the digits of float32."""
    return np.allclose(np.asarray(ours), np.asarray(theirs), rtol=rel, atol=1e-7)


def tensors(*arrays):
    return [torch.tensor(np.asarray(array)) for array in arrays]


def in_torch(kind, prediction, target, **options):
    return kind(**options)(*tensors(prediction, target)).item()


def in_keras(kind, prediction, target, **options):
    return float(kind(**options)(target.astype("float32"), prediction.astype("float32")))


def in_optax(function, prediction, target, **options):
    return np.asarray(function(jnp.asarray(prediction), jnp.asarray(target), **options))


def lacks(module, *words):
    return not any(word in name.lower() for name in dir(module) for word in words)


def unreduced(loss, prediction, target):
    return loss(prediction, target, reduction="none")


def half_of_a_learner():
    fitted = ensemble.HistGradientBoostingRegressor(max_iter=1).fit(X, Y[:, 0])
    learner = type(fitted._loss) is private.HalfSquaredError
    value = private.HalfSquaredError()(Y[:, 0].copy(), X[:, 0].copy())
    return learner and math.isclose(value, 0.5 * amiss.SquaredError()(X[:, 0], Y[:, 0]))


def keras_weighs_by_n():
    weight = np.array([1.0, 2.0, 5.0])
    theirs = K.MeanSquaredError()(np.zeros((3, 1)), np.full((3, 1), 3.0), sample_weight=weight)
    ours = amiss.SquaredError()([3.0] * 3, [0.0] * 3, weight)
    return math.isclose(float(theirs), float(ours) * weight.sum() / 3, rel_tol=1e-6)


def class_weights_of_rows():
    weight = (0.5, 2.0, 1.0)
    loss = amiss.CrossEntropy(class_weight=weight)
    kind = T.CrossEntropyLoss(weight=torch.tensor(weight, dtype=torch.float64))
    by_index, by_row = kind(*tensors(Z, INDEX)), kind(*tensors(Z, ROWS))
    summed = float(loss(Z, ROWS, reduction="sum"))
    return same(loss(Z, INDEX), by_index) and same(summed / 6, by_row) and not same(loss(Z, ROWS), by_row)


def last_class_of_optax():
    theirs = optax.softmax_cross_entropy_with_integer_labels(jnp.asarray(Z), jnp.full(6, -1))
    with pytest.raises(amiss.DomainError):
        amiss.CrossEntropy()(Z, np.full(6, -1))
    return same(theirs, unreduced(amiss.CrossEntropy(), Z, np.full(6, 2)))


def keras_focal():
    loss = amiss.BinaryFocal(positive_weight=0.25, negative_weight=0.75)
    kind = K.BinaryFocalCrossentropy
    plain = in_keras(kind, P, LABELS, alpha=0.9)
    return same(plain, amiss.BinaryFocal()(X, LABELS)) and same(
        in_keras(kind, P, LABELS, alpha=0.25, apply_class_balancing=True), loss(X, LABELS)
    )


def torch_poisson():
    by_rate = in_torch(T.PoissonNLLLoss, ZERO, ONE, log_input=False)
    return same(in_torch(T.PoissonNLLLoss, X, COUNTS), amiss.Poisson()(X, COUNTS)) and math.isclose(
        by_rate, -math.log(1e-8)
    )


def torch_divergence():
    log_p, target = tensors(np.log(Q), ROWS)
    ours = float(amiss.KLDivergence("log_probabilities")(np.log(Q), ROWS))
    batchmean = T.functional.kl_div(log_p, target, reduction="batchmean").item()
    mean = T.functional.kl_div(log_p, target, reduction="sum").item() / log_p.numel()
    with pytest.warns(UserWarning, match="batchmean"):
        default = T.functional.kl_div(log_p, target).item()
    return math.isclose(ours, batchmean) and math.isclose(default, mean) and math.isclose(mean, ours / 3)


def keras_signs(kind, loss):
    return same(in_keras(kind, X, LABELS), loss(X, SIGNS)) and same(in_keras(kind, X, SIGNS), loss(X, SIGNS))


def keras_dice():
    target = np.eye(3)[INDEX]
    plain = 1 - (2 * (Q * target).sum() + 1e-7) / (Q.sum() + target.sum() + 1e-7)
    by_class = K.Dice(axis=0, reduction=None)(target.astype("float32"), Q.astype("float32"))
    ours = amiss.Dice("probabilities", smooth=0.0)(Q, INDEX)
    return (
        same(in_keras(K.Dice, Q, target), plain) and same(np.mean(by_class), ours) and not same(plain, ours)
    )


def sklearn_huber():
    default = inspect.signature(ensemble.GradientBoostingRegressor).parameters["alpha"].default
    y = np.arange(11.0)
    fitted = ensemble.GradientBoostingRegressor(loss="huber", n_estimators=1, max_depth=1).fit(y[:, None], y)
    errors = np.abs(y - np.median(y))
    return default == 0.9 and math.isclose(fitted._loss.closs.delta, np.percentile(errors, 90))


def clipped(kind):
    """Return whether a probability of 0 for the true label costs -log 1e-7 and perfection costs 1e-7."""
    wrong, right = in_keras(kind, ZERO[:, None], ONE[:, None]), in_keras(kind, ONE[:, None], ONE[:, None])
    return same(wrong, -math.log(1e-7), 1e-4) and math.isclose(right, 1e-7, rel_tol=0.2)


def divided_rows():
    row = np.array([[2.0, 1.0, 1.0]])
    theirs = in_keras(K.CategoricalCrossentropy, row, np.eye(3)[:1])
    return same(theirs, math.log(2)) and same(
        in_keras(K.CategoricalCrossentropy, Z, ROWS, from_logits=True), amiss.CrossEntropy()(Z, ROWS)
    )


def ties():
    gradient, hessian = private.AbsoluteError().gradient_hessian(ONE, ONE)
    pinball = private.PinballLoss(quantile=0.3).gradient(ONE, ONE)
    return gradient[0] == -1.0 and hessian[0] == 1.0, pinball[0] == pytest.approx(-0.3)


def tie_of_torch():
    x = torch.ones(1, requires_grad=True)
    T.L1Loss()(x, torch.ones(1)).backward()
    return x.grad.item() == 0.0


SAID = {
    ("SquaredError", "PyTorch"): lambda: same(in_torch(T.MSELoss, X, Y), amiss.SquaredError()(X, Y)),
    ("SquaredError", "Keras"): keras_weighs_by_n,
    ("SquaredError", "optax"): lambda: (
        same(in_optax(optax.squared_error, X, Y), 2 * in_optax(optax.l2_loss, X, Y))
        and same(in_optax(optax.squared_error, X, Y), unreduced(amiss.SquaredError(), X, Y))
    ),
    ("SquaredError", "scikit-learn"): lambda: (
        half_of_a_learner() and same(metrics.mean_squared_error(Y, X), amiss.SquaredError()(X, Y))
    ),
    ("AbsoluteError", "PyTorch"): lambda: (
        tie_of_torch() and same(in_torch(T.L1Loss, X, Y), amiss.AbsoluteError()(X, Y))
    ),
    ("AbsoluteError", "Keras"): lambda: same(
        in_keras(K.MeanAbsoluteError, X, Y), amiss.AbsoluteError()(X, Y)
    ),
    ("AbsoluteError", "optax"): lambda: lacks(OPTAX, "absolute", "l1_"),
    ("AbsoluteError", "scikit-learn"): lambda: (
        ties()[0] and same(metrics.mean_absolute_error(Y, X), amiss.AbsoluteError()(X, Y))
    ),
    ("RootMeanSquaredError", "PyTorch"): lambda: (
        lacks(T, "rmse", "rootmean")
        and same(in_torch(T.MSELoss, X, Y) ** 0.5, amiss.RootMeanSquaredError()(X, Y))
    ),
    ("RootMeanSquaredError", "Keras"): lambda: (
        lacks(K, "rmse", "rootmean")
        and same(keras.metrics.RootMeanSquaredError()(Y, X), amiss.RootMeanSquaredError()(X, Y))
    ),
    ("RootMeanSquaredError", "optax"): lambda: lacks(OPTAX, "rmse", "root_mean"),
    ("RootMeanSquaredError", "scikit-learn"): lambda: same(
        metrics.root_mean_squared_error(Y[:, 0], X[:, 0]), amiss.RootMeanSquaredError()(X[:, 0], Y[:, 0])
    ),
    ("Huber", "PyTorch"): lambda: (
        same(in_torch(T.HuberLoss, 3 * X, Y), amiss.Huber()(3 * X, Y))
        and same(in_torch(T.SmoothL1Loss, 3 * X, Y, beta=2.0), amiss.Huber(delta=2.0)(3 * X, Y) / 2.0)
    ),
    ("Huber", "Keras"): lambda: same(in_keras(K.Huber, 3 * X, Y), amiss.Huber()(3 * X, Y)),
    ("Huber", "optax"): lambda: same(
        in_optax(optax.huber_loss, 3 * X, Y), unreduced(amiss.Huber(), 3 * X, Y)
    ),
    ("Huber", "scikit-learn"): sklearn_huber,
    ("LogCosh", "PyTorch"): lambda: lacks(T, "logcosh"),
    ("LogCosh", "Keras"): lambda: same(in_keras(K.LogCosh, X, Y), amiss.LogCosh()(X, Y)),
    ("LogCosh", "optax"): lambda: same(in_optax(optax.log_cosh, X, Y), unreduced(amiss.LogCosh(), X, Y)),
    ("Pinball", "PyTorch"): lambda: lacks(T, "pinball", "quantileloss"),
    ("Pinball", "Keras"): lambda: lacks(K, "pinball", "quantile"),
    ("Pinball", "optax"): lambda: lacks(OPTAX, "pinball", "quantile"),
    ("Pinball", "scikit-learn"): lambda: (
        ties()[1] and same(metrics.mean_pinball_loss(Y, X, alpha=0.3), amiss.Pinball(0.3)(X, Y))
    ),
    ("BinaryCrossEntropy", "PyTorch"): lambda: (
        same(in_torch(T.BCEWithLogitsLoss, X, LABELS), amiss.BinaryCrossEntropy()(X, LABELS))
        and in_torch(T.BCELoss, ZERO, ONE) == 100.0
    ),
    ("BinaryCrossEntropy", "Keras"): lambda: (
        clipped(K.BinaryCrossentropy)
        and same(
            in_keras(K.BinaryCrossentropy, X, LABELS, from_logits=True), amiss.BinaryCrossEntropy()(X, LABELS)
        )
    ),
    ("BinaryCrossEntropy", "optax"): lambda: same(
        in_optax(optax.sigmoid_binary_cross_entropy, X, LABELS),
        unreduced(amiss.BinaryCrossEntropy(), X, LABELS),
    ),
    ("BinaryCrossEntropy", "scikit-learn"): lambda: same(
        metrics.log_loss(LABELS[:, 0], P[:, 0]),
        amiss.BinaryCrossEntropy("probabilities")(P[:, 0], LABELS[:, 0]),
    ),
    ("CrossEntropy", "PyTorch"): class_weights_of_rows,
    ("CrossEntropy", "Keras"): divided_rows,
    ("CrossEntropy", "optax"): lambda: (
        last_class_of_optax()
        and same(in_optax(optax.softmax_cross_entropy, Z, ROWS), unreduced(amiss.CrossEntropy(), Z, ROWS))
    ),
    ("CrossEntropy", "scikit-learn"): lambda: same(
        metrics.log_loss(INDEX, Q), amiss.CrossEntropy("probabilities")(Q, INDEX)
    ),
    ("BinaryFocal", "PyTorch"): lambda: (
        lacks(T, "focal")
        and amiss.get("torchvision.ops.sigmoid_focal_loss")
        == amiss.BinaryFocal(positive_weight=0.25, negative_weight=0.75)
    ),
    ("BinaryFocal", "Keras"): keras_focal,
    ("BinaryFocal", "optax"): lambda: (
        same(in_optax(OPTAX.sigmoid_focal_loss, X, LABELS), unreduced(amiss.BinaryFocal(), X, LABELS))
        and inspect.signature(OPTAX.sigmoid_focal_loss).parameters["alpha"].default is None
    ),
    ("Poisson", "PyTorch"): torch_poisson,
    ("Poisson", "Keras"): lambda: (
        same(in_keras(K.Poisson, ZERO, ONE), -math.log(1e-7), 1e-4)
        and same(in_keras(K.Poisson, np.exp(X), COUNTS), amiss.Poisson("rate")(np.exp(X), COUNTS))
    ),
    ("Poisson", "optax"): lambda: lacks(optax, "poisson") and lacks(OPTAX, "poisson"),
    ("Poisson", "scikit-learn"): lambda: same(
        metrics.mean_poisson_deviance(COUNTS.ravel() + 1, np.exp(X).ravel()),
        2 * (amiss.Poisson("rate")(np.exp(X), COUNTS + 1) - amiss.Poisson("rate")(COUNTS + 1, COUNTS + 1)),
    ),
    ("KLDivergence", "PyTorch"): torch_divergence,
    ("KLDivergence", "Keras"): lambda: (
        same(in_keras(K.KLDivergence, Q, ROWS), amiss.KLDivergence("probabilities")(Q, ROWS))
        and same(in_keras(K.KLDivergence, np.eye(2)[:1], np.eye(2)[1:]), -math.log(1e-7), 1e-4)
    ),
    ("KLDivergence", "optax"): lambda: same(
        in_optax(OPTAX.kl_divergence, np.log(Q), ROWS),
        unreduced(amiss.KLDivergence("log_probabilities"), np.log(Q), ROWS),
        1e-5,
    ),
    ("Hinge", "PyTorch"): lambda: not same(in_torch(T.HingeEmbeddingLoss, X, SIGNS), amiss.Hinge()(X, SIGNS)),
    ("Hinge", "Keras"): lambda: keras_signs(K.Hinge, amiss.Hinge()),
    ("Hinge", "optax"): lambda: (
        same(in_optax(optax.hinge_loss, X, SIGNS), unreduced(amiss.Hinge(), X, SIGNS))
        and same(in_optax(OPTAX.perceptron_loss, X, SIGNS), unreduced(amiss.Hinge(margin=0.0), X, SIGNS))
    ),
    ("Hinge", "scikit-learn"): lambda: same(
        metrics.hinge_loss(SIGNS[:, 0], X[:, 0]), amiss.Hinge()(X[:, 0], SIGNS[:, 0])
    ),
    ("SquaredHinge", "PyTorch"): lambda: lacks(T, "squaredhinge"),
    ("SquaredHinge", "Keras"): lambda: keras_signs(K.SquaredHinge, amiss.SquaredHinge()),
    ("SquaredHinge", "scikit-learn"): lambda: svm.LinearSVC().loss == "squared_hinge",
    ("Dice", "PyTorch"): lambda: lacks(T, "dice"),
    ("Dice", "Keras"): keras_dice,
    ("CosineDistance", "PyTorch"): lambda: same(
        T.CosineEmbeddingLoss()(*tensors(Z, ROWS, np.ones(6))).item(), amiss.CosineDistance()(Z, ROWS)
    ),
    ("CosineDistance", "Keras"): lambda: same(
        in_keras(K.CosineSimilarity, Z, ROWS), amiss.CosineDistance()(Z, ROWS) - 1.0
    ),
    ("CosineDistance", "optax"): lambda: same(
        in_optax(OPTAX.cosine_distance, Z, ROWS), unreduced(amiss.CosineDistance(), Z, ROWS), 1e-5
    ),
}
"""For each sentence what it says, as a run."""

BOOSTERS = ("XGBoost", "LightGBM", "CatBoost")
"""What is said of these runs in test_what_boosters_say.py."""


@pytest.mark.parametrize(("loss", "library"), SAID, ids=map(" at ".join, SAID))
def test_what_is_said_of_a_peer_is_so(loss, library):
    assert SAID[loss, library]()


def test_every_sentence_about_a_peer_is_run():
    told = {
        (loss.__name__, library)
        for loss in classes()
        for library in getattr(loss, "peers", {})
        if library not in BOOSTERS
    }
    assert told == set(SAID)
