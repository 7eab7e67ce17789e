"""Gradients as people write them are named right: loss, activation, factor and what they are a slope by."""

import pytest
from identification_code import CLASS, TUTORIAL

import amiss
from amiss import identify

SIGMOID = "def sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n"
SE, MAE, BCE, CE = (
    amiss.SquaredError(),
    amiss.AbsoluteError(),
    amiss.BinaryCrossEntropy(),
    amiss.CrossEntropy(),
)

# code, loss, activation, factor, with respect to
KNOWN = {
    "the thread": (TUTORIAL, SE, "sigmoid", "1/(2*N)", "pre-activation"),
    "three lines of it": (
        "E1 = A2 - y_train\ndW1 = E1 * A2 * (1 - A2)\nW2_update = np.dot(A1.T, dW1) / N",
        *(SE, "sigmoid", "1/(2*N)", "pre-activation"),
    ),
    "two lines of it": ("E1 = A2 - y_train\ndW1 = E1 * A2 * (1 - A2)", SE, "sigmoid", 0.5, "pre-activation"),
    "sigmoid, short": ("(a - y) * a * (1 - a)", SE, "sigmoid", 0.5, "pre-activation"),
    "sigmoid, 2": ("2 * (a - y) * a * (1 - a)", SE, "sigmoid", 1.0, "pre-activation"),
    "sigmoid, expanded": ("a*a - a**3 - y*a + y*a**2", SE, "sigmoid", 0.5, "pre-activation"),
    "sigmoid, flipped": ("(y - a) * a * (1 - a)", SE, "sigmoid", -0.5, "pre-activation"),
    "sigmoid, renamed": (
        "diff = out - labels\ndelta = diff * (out * (1.0 - out))  # chain rule",
        *(SE, "sigmoid", 0.5, "pre-activation"),
    ),
    "sigmoid, function of its own": (
        SIGMOID + "def dsig(a):\n    return a * (1 - a)\no = sigmoid(np.dot(h, w2))\nd = (o - t) * dsig(o)",
        *(SE, "sigmoid", 0.5, "pre-activation"),
    ),
    "sigmoid, a derivative that is not defined": (
        "o = sigmoid(h @ w2)\ndelta = (o - t) * sigmoid_derivative(o)",
        *(SE, "sigmoid", 0.5, "pre-activation"),
    ),
    "sigmoid, by z": (
        "z = x @ w\np = 1/(1+np.exp(-z))\ndz = (p - y) * np.exp(-z)/(1+np.exp(-z))**2",
        *(SE, "sigmoid", 0.5, "pre-activation"),
    ),
    "tanh": ("(a - y) * (1 - a**2)", SE, "tanh", 0.5, "pre-activation"),
    "tanh, square": ("(a - y) * (1 - np.square(a))", SE, "tanh", 0.5, "pre-activation"),
    "tanh in code": (
        "a2 = np.tanh(a1 @ w2 + b2)\nd2 = 2*(a2 - y) * (1 - a2*a2)",
        SE,
        "tanh",
        1.0,
        "pre-activation",
    ),
    "softmax, squared error": (
        "p = softmax(z)\ng = p - y\ndz = p * (g - np.sum(g * p, axis=1, keepdims=True))",
        *(SE, "softmax", 0.5, "pre-activation"),
    ),
    "exp, squared error": (
        "mu = np.exp(x @ w)\ngrad = x.T @ ((mu - y) * mu)",
        SE,
        "exp",
        0.5,
        "pre-activation",
    ),
    "relu": ("a = np.maximum(0, x @ w)\ndz = (a - y) * (a > 0)", SE, "relu", 0.5, "pre-activation"),
    "error alone": ("a - y", SE, "identity", 0.5, "prediction"),
    "error, flipped": ("y - a", SE, "identity", -0.5, "prediction"),
    "error times two": ("2 * (y_hat - y)", SE, "identity", 1.0, "prediction"),
    "minus two": ("-2 * (y_true - y_pred)", SE, "identity", 1.0, "prediction"),
    "mean of n": ("2 * (y_pred - y) / n", SE, "identity", "1/n", "prediction"),
    "mean of len": ("2 / len(y) * (pred - y)", SE, "identity", "1/N", "prediction"),
    "one over m": ("(h - y) / m", SE, "identity", "1/(2*m)", "prediction"),
    "subtract": ("np.subtract(output, target)", SE, "identity", 0.5, "prediction"),
    "line": (
        "y_pred = m*x + b\nD_m = (-2/n) * sum(x * (y - y_pred))\nm = m - L*D_m",
        *(SE, "identity", "1/n", "prediction"),
    ),
    "linear layer": (
        "y_hat = X @ w + b\ngrad_w = 2 * X.T @ (y_hat - y) / len(y)",
        SE,
        "identity",
        "1/N",
        "prediction",
    ),
    "linear, dot method": (
        "h = X.dot(theta)\ngradient = X.T.dot(h - y) / m\ntheta -= alpha * gradient",
        *(SE, "identity", "1/(2*m)", "prediction"),
    ),
    "linear, one line": ("w = w - lr * 2 * X.T @ (X @ w - y) / y.size", SE, "identity", "1/N", "prediction"),
    "linear, mean": (
        "pred = X @ w\ndw = np.mean(2 * X * (pred - y), axis=0)",
        SE,
        "identity",
        "1/N",
        "prediction",
    ),
    "sign": ("np.sign(y_pred - y_true)", MAE, "identity", 1.0, "prediction"),
    "sign by where": ("np.where(p > y, 1, -1)", MAE, "identity", 1.0, "prediction"),
    "sign by a conditional": ("1.0 if p > y else -1.0", MAE, "identity", 1.0, "prediction"),
    "sign over n": ("np.sign(y_hat - y) / N", MAE, "identity", "1/N", "prediction"),
    "sign by division": ("(p - y) / np.abs(p - y)", MAE, "identity", 1.0, "prediction"),
    "sign, sigmoid": ("np.sign(a - y) * a * (1 - a)", MAE, "sigmoid", 1.0, "pre-activation"),
    "clip": ("np.clip(p - t, -1.5, 1.5)", amiss.Huber(1.5), "identity", 1.0, "prediction"),
    "clip 1": ("np.clip(p - t, -1, 1)", amiss.Huber(1.0), "identity", 1.0, "prediction"),
    "huber by where": (
        "e = p - y\ng = np.where(np.abs(e) <= 2, e, 2 * np.sign(e))",
        *(amiss.Huber(2.0), "identity", 1.0, "prediction"),
    ),
    "smooth l1": (
        "e = p - y\ng = np.where(abs(e) < 0.5, e / 0.5, np.sign(e))",
        amiss.Huber(0.5),
        "identity",
        2.0,
        "prediction",
    ),
    "tanh of the error": ("np.tanh(pred - target)", amiss.LogCosh(), "identity", 1.0, "prediction"),
    "pinball": ("np.where(y > q, -0.9, 0.1)", amiss.Pinball(0.9), "identity", 1.0, "prediction"),
    "pinball by masks": (
        "(p > y) * 0.75 - (p < y) * 0.25",
        amiss.Pinball(0.25),
        "identity",
        1.0,
        "prediction",
    ),
    "linex": ("2 * (np.exp(2 * (p - y)) - 1)", amiss.Linex(2.0), "identity", 1.0, "prediction"),
    "root mean square": (
        "(p - y) / (y.size * np.sqrt(np.mean((p - y)**2)))",
        *(amiss.RootMeanSquaredError(), "identity", 1.0, "prediction"),
    ),
    "logistic regression": (
        "p = 1/(1+np.exp(-(X@w+b)))\nw -= lr * X.T @ (p - y) / len(y)",
        *(BCE, "sigmoid", "1/N", "pre-activation"),
    ),
    "logistic regression, plus": (
        "p = 1/(1+np.exp(-(X@w+b)))\nw += lr * X.T @ (y - p) / len(y)",
        *(BCE, "sigmoid", "1/N", "pre-activation"),
    ),
    "logistic, columns": (
        "A2 = sigmoid(np.dot(W2, A1) + b2)\ndZ2 = A2 - Y\ndW2 = (1/m) * np.dot(dZ2, A1.T)",
        *(BCE, "sigmoid", "1/m", "pre-activation"),
    ),
    "logistic in a class": (CLASS, BCE, "sigmoid", "1/N", "pre-activation"),
    "logistic, exp over one plus exp": (
        "p = np.exp(z)/(1+np.exp(z))\ng = p - y",
        BCE,
        "sigmoid",
        1.0,
        "pre-activation",
    ),
    "logistic, with weight decay": (
        "p = sigmoid(X @ w)\ngrad = X.T @ (p - y) / N + lam * w",
        *(BCE, "sigmoid", "1/N", "pre-activation"),
    ),
    "bce by the probability": (
        "-(y/p) + (1-y)/(1-p)",
        *(amiss.BinaryCrossEntropy(input="probabilities"), "identity", 1.0, "prediction"),
    ),
    "bce by the probability, short": (
        "(p - y) / (p * (1 - p))",
        *(amiss.BinaryCrossEntropy(input="probabilities"), "identity", 1.0, "prediction"),
    ),
    "bce by the probability, then sigmoid": (
        "A = sigmoid(Z)\ndA = -(np.divide(Y, A) - np.divide(1 - Y, 1 - A))\ndZ = dA * A * (1 - A)",
        *(BCE, "sigmoid", 1.0, "pre-activation"),
    ),
    "softmax": (
        "exps = np.exp(z - np.max(z, axis=1, keepdims=True))\n"
        "probs = exps / np.sum(exps, axis=1, keepdims=True)\n"
        "dz = (probs - y) / batch_size",
        *(CE, "softmax", "1/batch_size", "pre-activation"),
    ),
    "softmax by name": ("yhat = softmax(h @ W)\ndW = h.T @ (yhat - Y)", CE, "softmax", 1.0, "pre-activation"),
    "ce by the probability": (
        "-y / p",
        amiss.CrossEntropy(input="probabilities"),
        "identity",
        1.0,
        "prediction",
    ),
    "hinge": ("np.where(y * z < 1, -y, 0)", amiss.Hinge(), "identity", 1.0, "prediction"),
    "hinge by a mask": ("-y * (y * score < 1)", amiss.Hinge(), "identity", 1.0, "prediction"),
    "perceptron": ("-y * (y * score < 0)", amiss.Hinge(margin=0.0), "identity", 1.0, "prediction"),
    "squared hinge": (
        "-2 * y * np.maximum(0, 1 - y * s)",
        amiss.SquaredHinge(),
        "identity",
        1.0,
        "prediction",
    ),
    "poisson": ("mu = np.exp(X @ w)\ngrad = X.T @ (mu - y)", amiss.Poisson(), "exp", 1.0, "pre-activation"),
    "poisson by the rate": ("1 - y / rate", amiss.Poisson(input="rate"), "identity", 1.0, "prediction"),
    "focal": (
        "p = sigmoid(z)\npt = y*p + (1-y)*(1-p)\ng = (2*y - 1) * (1-pt)**2 * (2*pt*np.log(pt) + pt - 1)",
        *(amiss.BinaryFocal(gamma=2.0), "sigmoid", 1.0, "pre-activation"),
    ),
    "weighted bce": (
        "p = sigmoid(z)\ng = p * (1 - y) - 3 * y * (1 - p)",
        *(amiss.BinaryCrossEntropy(positive_weight=3.0), "sigmoid", 1.0, "pre-activation"),
    ),
    "torch names": ("torch.sign(pred - target) / pred.shape[0]", MAE, "identity", "1/N", "prediction"),
    "in place": ("d = a - y\nd *= a\nd *= 1 - a", SE, "sigmoid", 0.5, "pre-activation"),
    "a dictionary": (
        "grads = {}\ncache['A2'] = sigmoid(cache['Z2'])\ngrads['dZ2'] = cache['A2'] - y",
        *(BCE, "sigmoid", 1.0, "pre-activation"),
    ),
    "weighted by item": ("w_i * (p - y)", SE, "identity", "0.5*w_i", "prediction"),
    "three quarters": ("0.75 * (p - y)", SE, "identity", 0.375, "prediction"),
}
UNKNOWN = {
    "cubic": ("(p - y)**3", "(p - y)**4/4"),
    "quintic": ("(p - y)**5", "(p - y)**6/6"),
    "one-sided": ("np.maximum(0, p - y)", None),
    "cauchy": ("(p - y) / (1 + (p - y)**2)", "log((p - y)**2 + 1)/2"),
    "smooth": ("(p - y) / np.sqrt((p - y)**2 + 1)", "sqrt((p - y)**2 + 1) - 1"),
    "welsch": ("(p - y) * np.exp(-(p - y)**2)", "1/2 - exp(-(p - y)**2)/2"),
    "log target": ("p - np.log(y)", None),
    "biased": ("p - y + 1", None),
    "shrunk": ("2*p - y", None),
    "gamma": ("a = sigmoid(z)\ndz = (a - y) * a", None),
    "wrong square": ("(a - y) * a * (1 - a)**2", None),
}
NOTHING = {
    "sum of the others": "(p - y) * np.sum(p**2, axis=1, keepdims=True)",
    "weighted by the row": "z * np.sum(y * z**2, axis=1, keepdims=True)",
    "softmax without its Jacobian": "p = softmax(z)\ndz = (p - y) * p",
    "normed": "(p - y) / np.sum(p**2, axis=1, keepdims=True)",
    "softmax times logits": "p = softmax(z)\ndz = p * z - y",
}


@pytest.mark.parametrize("code", KNOWN)
def test_a_gradient_of_the_catalogue_is_named(code):
    text, loss, activation, factor, wrt = KNOWN[code]
    found = identify(text)
    assert (found.loss, found.activation, found.factor, found.wrt) == (loss, activation, factor, wrt), (
        found.sentence
    )
    assert found.max_error < 1e-9
    assert found.is_gradient


@pytest.mark.parametrize("code", UNKNOWN)
def test_nothing_is_named_that_does_not_fit_and_the_loss_is_integrated(code):
    text, formula = UNKNOWN[code]
    found = identify(text)
    assert found.loss is None, found.sentence
    assert found.is_gradient
    assert "is not recognised" in found.sentence
    if formula is not None:
        import sympy

        p, y = sympy.symbols("p y", real=True)
        names = {"p": p, "y": y}
        difference = sympy.sympify(found.formula, locals=names) - sympy.sympify(formula, locals=names)
        assert sympy.simplify(difference) == 0


@pytest.mark.parametrize("code", NOTHING)
def test_what_is_the_gradient_of_nothing_is_said_to_be(code):
    found = identify(NOTHING[code])
    assert found.loss is None
    assert not found.is_gradient, found.sentence
    assert "the gradient of no loss" in found.sentence


def test_there_are_enough_of_them():
    assert len(KNOWN) + len(UNKNOWN) + len(NOTHING) >= 60
    assert len(UNKNOWN) >= 10
    assert len(NOTHING) >= 5
