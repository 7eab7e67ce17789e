"""Gradients in the styles in which people write them, and code whose gradient has no name."""

NAMED = {
    "loop accumulators": (
        "def gradient_descent(x, y, w, b, lr):\n"
        "    dw = 0\n"
        "    db = 0\n"
        "    n = len(x)\n"
        "    for i in range(len(x)):\n"
        "        f = w * x[i] + b\n"
        "        dw += (f - y[i]) * x[i]\n"
        "        db += (f - y[i])\n"
        "    dw = dw / n\n"
        "    db = db / n\n"
        "    w = w - lr * dw\n"
        "    b = b - lr * db\n"
        "    return w, b",
        ("SquaredError()", "identity", "1/(2*N)", "prediction"),
    ),
    "sgd per sample": (
        "for i in range(n_epochs):\n"
        "    for xi, target in zip(X, y):\n"
        "        prediction = np.dot(xi, w) + b\n"
        "        error = prediction - target\n"
        "        w -= lr * error * xi\n"
        "        b -= lr * error",
        ("SquaredError()", "identity", 0.5, "prediction"),
    ),
    "ridge penalty": (
        "grad = X.T @ (X @ w - y) / n + 2 * lam * w\nw -= lr * grad",
        ("SquaredError()", "identity", "1/(2*n)", "prediction"),
    ),
    "lasso penalty": (
        "y_pred = X @ w\ndw = -2 * X.T @ (y - y_pred) / n + alpha * np.sign(w)",
        ("SquaredError()", "identity", "1/n", "prediction"),
    ),
    "mean of product": (
        "y_hat = w*x + b\ndw = np.mean((y_hat - y) * x)\ndb = np.mean(y_hat - y)",
        ("SquaredError()", "identity", "1/(2*N)", "prediction"),
    ),
    "minus two mean": (
        "y_pred = m * X + c\n"
        "D_m = -2 * np.mean(X * (y - y_pred))\n"
        "D_c = -2 * np.mean(y - y_pred)\n"
        "m -= L * D_m",
        ("SquaredError()", "identity", "1/N", "prediction"),
    ),
    "typed function": (
        "def mse_grad(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:\n"
        '    """Gradient of the MSE."""\n'
        "    return 2 * (y_pred - y_true) / y_true.size",
        ("SquaredError()", "identity", "1/N", "prediction"),
    ),
    "mse_prime": (
        "def mse_prime(y_true, y_pred):\n    return 2 * (y_pred - y_true) / np.size(y_true)",
        ("SquaredError()", "identity", "1/N", "prediction"),
    ),
    "tuple assignment": (
        "y_hat, n = X @ w, len(y)\nerr = y_hat - y\ngw, gb = X.T @ err / n, err.sum() / n",
        ("SquaredError()", "identity", "1/(2*N)", "prediction"),
    ),
    "mean absolute grad": (
        "y_hat = X @ w\ndw = X.T @ np.sign(y_hat - y) / len(y)\nw -= lr * dw",
        ("AbsoluteError()", "identity", "1/N", "prediction"),
    ),
    "lad sum": (
        "pred = w * x + b\ndw = np.sum(x * np.where(pred > y, 1, -1))",
        ("AbsoluteError()", "identity", 1.0, "prediction"),
    ),
    "rmse grad": (
        "e = pred - y\ng = e / np.sqrt(np.mean(e**2)) / len(e)",
        ("RootMeanSquaredError()", "identity", 1.0, "prediction"),
    ),
    "huber loop condition": (
        "e = y_pred - y_true\nif abs(e) <= 1.0:\n    g = e\nelse:\n    g = 1.0 * np.sign(e)",
        ("Huber()", "identity", 1.0, "prediction"),
    ),
    "huber clip bare delta 3": (
        "residual = pred - target\ngrad = np.minimum(np.maximum(residual, -3), 3)",
        ("Huber(delta=3.0)", "identity", 1.0, "prediction"),
    ),
    "quantile gbdt": (
        "alpha = 0.9\ngrad = np.where(y_true > y_pred, -alpha, 1 - alpha)",
        ("Pinball(quantile=0.9)", "identity", 1.0, "prediction"),
    ),
    "quantile neg gradient": (
        "mask = y > raw_prediction\nng = 0.2 * mask - (1 - 0.2) * (1 - mask)",
        ("Pinball(quantile=0.2)", "identity", -1.0, "prediction"),
    ),
    "delta rule neuron": (
        "net = np.dot(w, x) + b\no = sigmoid(net)\nerror = t - o\nw += eta * error * o * (1 - o) * x",
        ("SquaredError()", "sigmoid", 0.5, "pre-activation"),
    ),
    "mae sigmoid net": (
        "o = sigmoid(h @ W)\ndelta = np.sign(o - y) * o * (1 - o)\ndW = h.T @ delta / m",
        ("AbsoluteError()", "sigmoid", "1/m", "pre-activation"),
    ),
    "huber sigmoid": (
        "o = sigmoid(h @ W)\ndelta = np.clip(o - y, -0.1, 0.1) * o * (1 - o)",
        ("Huber(delta=0.1)", "sigmoid", 1.0, "pre-activation"),
    ),
    "a minus a squared": (
        "delta = (a - y) * (a - a**2)",
        ("SquaredError()", "sigmoid", 0.5, "pre-activation"),
    ),
    "expanded by z": (
        "s = 1/(1+np.exp(-z))\ndelta = (s - t) * s * (1 - s)",
        ("SquaredError()", "sigmoid", 0.5, "pre-activation"),
    ),
    "scipy expit": (
        "a = scipy.special.expit(X @ W)\ndelta = 2*(a - y)*a*(1-a)\ndW = X.T @ delta / len(X)",
        ("SquaredError()", "sigmoid", "1/N", "pre-activation"),
    ),
    "lambda sigmoid": (
        "sigmoid = lambda x: 1 / (1 + np.exp(-x))\n"
        "dsigmoid = lambda a: a * (1 - a)\n"
        "out = sigmoid(h @ W2)\n"
        "delta = (out - y) * dsigmoid(out)\n"
        "dW2 = h.T @ delta",
        ("SquaredError()", "sigmoid", 0.5, "pre-activation"),
    ),
    "np.multiply chain": (
        "dZ = np.multiply(np.multiply(np.subtract(A, Y), A), np.subtract(1, A))",
        ("SquaredError()", "sigmoid", 0.5, "pre-activation"),
    ),
    "columns se": (
        "A2 = sigmoid(Z2)\ndA2 = 2 * (A2 - Y)\ndZ2 = dA2 * A2 * (1 - A2)\ndW2 = dZ2 @ A1.T / m",
        ("SquaredError()", "sigmoid", "1/m", "pre-activation"),
    ),
    "tanh class deriv": (
        "def tanh_deriv(a):\n"
        "    return 1 - a**2\n"
        "out = np.tanh(h @ W2 + b2)\n"
        "delta = (out - y) * tanh_deriv(out)\n"
        "gW2 = h.T @ delta",
        ("SquaredError()", "tanh", 0.5, "pre-activation"),
    ),
    "tanh 1 minus tanh(z)^2": (
        "z = X @ W\ndelta = 2*(np.tanh(z) - y)*(1 - np.tanh(z)**2)",
        ("SquaredError()", "tanh", 1.0, "pre-activation"),
    ),
    "tanh sech": (
        "a = np.tanh(z)\ndz = (a - y) / np.cosh(z)**2",
        ("SquaredError()", "tanh", 0.5, "pre-activation"),
    ),
    "tanh (1+a)(1-a)": (
        "delta = (o - t) * (1 + o) * (1 - o)",
        ("SquaredError()", "tanh", 0.5, "pre-activation"),
    ),
    "tanh flipped plus": (
        "o = np.tanh(net)\ndelta = (t - o) * (1 - o*o)\nW += lr * np.outer(x, delta)",
        ("SquaredError()", "tanh", 0.5, "pre-activation"),
    ),
    "relu mult": (
        "a = np.maximum(z, 0)\ndz = 2 * (a - y) * np.where(z > 0, 1, 0)",
        ("SquaredError()", "relu", 1.0, "pre-activation"),
    ),
    "torch manual mm": (
        "y_pred = h_relu.mm(w2)\ngrad_y_pred = 2.0 * (y_pred - y)\ngrad_w2 = h_relu.t().mm(grad_y_pred)",
        ("SquaredError()", "identity", 1.0, "prediction"),
    ),
    "logcosh tanh err": (
        "err = y_hat - y\ngrad = X.T @ np.tanh(err) / n",
        ("LogCosh()", "identity", "1/n", "prediction"),
    ),
    "logcosh by exp": (
        "e = pred - target\ng = (np.exp(e) - np.exp(-e)) / (np.exp(e) + np.exp(-e))",
        ("LogCosh()", "identity", 1.0, "prediction"),
    ),
    "jax-like": (
        "def grad_fn(params, x, y):\n"
        "    pred = jnp.dot(x, params['w']) + params['b']\n"
        "    err = pred - y\n"
        "    return jnp.dot(x.T, err) * 2 / x.shape[0]",
        ("SquaredError()", "identity", "1/N", "prediction"),
    ),
    "logreg l2": (
        "p = sigmoid(X.dot(w))\ngrad = X.T.dot(p - y) / m + (lambda_ / m) * w",
        ("BinaryCrossEntropy()", "sigmoid", "1/m", "pre-activation"),
    ),
    "logreg ascent": (
        "predictions = sigmoid(np.dot(features, weights))\n"
        "output_error_signal = target - predictions\n"
        "gradient = np.dot(features.T, output_error_signal)\n"
        "weights += learning_rate * gradient",
        ("BinaryCrossEntropy()", "sigmoid", -1.0, "pre-activation"),
    ),
    "xgb logistic objective": (
        "def logregobj(preds, dtrain):\n"
        "    labels = dtrain.get_label()\n"
        "    preds = 1.0 / (1.0 + np.exp(-preds))\n"
        "    grad = preds - labels\n"
        "    hess = preds * (1.0 - preds)\n"
        "    return grad, hess",
        ("BinaryCrossEntropy()", "sigmoid", 1.0, "pre-activation"),
    ),
    "xgb squared": (
        "def squared_obj(preds, dtrain):\n"
        "    labels = dtrain.get_label()\n"
        "    return preds - labels, np.ones_like(labels)",
        ("SquaredError()", "identity", 0.5, "prediction"),
    ),
    "xgb squared assigned": (
        "def obj(preds, dtrain):\n"
        "    labels = dtrain.get_label()\n"
        "    grad = 2 * (preds - labels)\n"
        "    hess = 2 * np.ones_like(preds)\n"
        "    return grad, hess",
        ("SquaredError()", "identity", 1.0, "prediction"),
    ),
    "lgb custom y_true": (
        "def custom(y_true, y_pred):\n"
        "    residual = (y_true - y_pred).astype('float')\n"
        "    grad = -2 * residual\n"
        "    hess = 2 * np.ones(len(y_true))\n"
        "    return grad, hess",
        ("SquaredError()", "identity", 1.0, "prediction"),
    ),
    "xgb logcosh": (
        "def log_cosh_obj(preds, dtrain):\n"
        "    x = preds - dtrain.get_label()\n"
        "    grad = np.tanh(x)\n"
        "    hess = 1 / np.cosh(x)**2\n"
        "    return grad, hess",
        ("LogCosh()", "identity", 1.0, "prediction"),
    ),
    "xgb poisson": (
        "def poisson_obj(preds, dtrain):\n"
        "    y = dtrain.get_label()\n"
        "    mu = np.exp(preds)\n"
        "    return mu - y, mu",
        ("Poisson()", "exp", 1.0, "pre-activation"),
    ),
    "lgb focal": (
        "def focal_loss_lgb(y_pred, dtrain):\n"
        "    y = dtrain.label\n"
        "    p = 1/(1+np.exp(-y_pred))\n"
        "    pt = np.where(y == 1, p, 1-p)\n"
        "    s = 2*y - 1\n"
        "    grad = s * (1-pt)**2 * (2*pt*np.log(pt) + pt - 1)\n"
        "    return grad",
        ("BinaryFocal()", "sigmoid", 1.0, "pre-activation"),
    ),
    "focal gamma 1.5 named": (
        "g = 1.5\n"
        "p = sigmoid(z)\n"
        "pt = y*p + (1-y)*(1-p)\n"
        "grad = (2*y-1)*(1-pt)**g*(g*pt*np.log(pt) + pt - 1)",
        ("BinaryFocal(gamma=1.5)", "sigmoid", 1.0, "pre-activation"),
    ),
    "bce prime size": (
        "def binary_cross_entropy_prime(y_true, y_pred):\n"
        "    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)",
        ("BinaryCrossEntropy(input='probabilities')", "identity", "1/N", "prediction"),
    ),
    "bce chain": (
        "dloss_yh = - (np.divide(Y, Yh) - np.divide(1 - Y, 1 - Yh))",
        ("BinaryCrossEntropy(input='probabilities')", "identity", 1.0, "prediction"),
    ),
    "pos weight": (
        "p = sigmoid(X @ w)\ndz = (1 - y) * p - 5.0 * y * (1 - p)\ngrad = X.T @ dz / N",
        ("BinaryCrossEntropy(positive_weight=5.0)", "sigmoid", "1/N", "pre-activation"),
    ),
    "label smoothing bce": (
        "p = sigmoid(z)\ny_s = y * (1 - 0.1) + 0.05\ndz = p - y_s",
        ("BinaryCrossEntropy(label_smoothing=0.1)", "sigmoid", 1.0, "pre-activation"),
    ),
    "cleared logistic (1-y)": (
        "y_hat = sigmoid(z)\ndz = y_hat * (1 - y) - (1 - y_hat) * y",
        ("BinaryCrossEntropy()", "sigmoid", 1.0, "pre-activation"),
    ),
    "sample weights": (
        "p = sigmoid(X @ w)\ngrad = X.T @ (sample_weight * (p - y))",
        ("BinaryCrossEntropy()", "sigmoid", "sample_weight", "pre-activation"),
    ),
    "softmax logsumexp": (
        "log_probs = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))\ndz = (np.exp(log_probs) - Y) / N",
        ("CrossEntropy()", "softmax", "1/N", "pre-activation"),
    ),
    "softmax shift": (
        "z = h @ W\n"
        "z -= z.max(axis=1, keepdims=True)\n"
        "e = np.exp(z)\n"
        "p = e / e.sum(axis=1, keepdims=True)\n"
        "dz = p - Y_onehot\n"
        "dW = h.T @ dz",
        ("CrossEntropy()", "softmax", 1.0, "pre-activation"),
    ),
    "torch softmax F.one_hot": (
        "probs = F.softmax(logits, dim=1)\ndlogits = probs - F.one_hot(y, 10)\ndlogits /= n",
        ("CrossEntropy()", "softmax", "1/n", "pre-activation"),
    ),
    "softmax full jacobian mse": (
        "p = softmax(z)\ndL_dp = 2*(p - y)\ndz = p * (dL_dp - (dL_dp * p).sum(axis=1, keepdims=True))",
        ("SquaredError()", "softmax", 1.0, "pre-activation"),
    ),
    "softmax jacobian of ce": (
        "p = softmax(z)\ng = -y / p\ndz = p * (g - (g * p).sum(axis=-1, keepdims=True))",
        ("CrossEntropy()", "softmax", 1.0, "pre-activation"),
    ),
    "eye one hot": (
        "Y = np.eye(10)[labels]\nP = softmax(X @ W)\nG = X.T @ (P - Y) / X.shape[0]",
        ("CrossEntropy()", "softmax", "1/N", "pre-activation"),
    ),
    "hinge mask X.T": (
        "scores = X @ w\nmask = y * scores < 1\ngrad = -X.T @ (mask * y) / n",
        ("Hinge()", "identity", "1/n", "prediction"),
    ),
    "hinge np.where": (
        "f = X @ w + b\ndf = np.where(1 - y*f > 0, -y, 0)\ndw = X.T @ df / len(y)",
        ("Hinge()", "identity", "1/N", "prediction"),
    ),
    "hinge maximum sign": ("g = -y * np.heaviside(1 - y * f, 0)", ("Hinge()", "identity", 1.0, "prediction")),
    "squared hinge mask": (
        "m = 1 - y * f\ng = -2 * y * m * (m > 0)",
        ("SquaredHinge()", "identity", 1.0, "prediction"),
    ),
    "perceptron criterion": (
        "score = X @ w\ngrad = -y * (y * score <= 0)",
        ("Hinge(margin=0.0)", "identity", 1.0, "prediction"),
    ),
    "poisson regression": (
        "mu = np.exp(X @ beta)\nscore = X.T @ (y - mu)\nbeta += lr * score / n",
        ("Poisson()", "exp", -1.0, "pre-activation"),
    ),
    "poisson mean": (
        "eta = X @ beta\nrate = np.exp(eta)\ngrad = X.T @ (rate - counts) / len(counts)",
        ("Poisson()", "exp", "1/N", "pre-activation"),
    ),
    "poisson rate div": (
        "lam_hat = model(X)\ng = (lam_hat - y) / lam_hat",
        ("Poisson(input='rate')", "identity", 1.0, "prediction"),
    ),
    "linex neg": (
        "e = pred - y\ng = -0.5 * (np.exp(-0.5 * e) - 1)",
        ("Linex(a=-0.5)", "identity", 1.0, "prediction"),
    ),
    "odd names": (
        "net_out = W @ x\nerr = net_out - d\ndW = np.outer(err, x)",
        ("SquaredError()", "identity", 0.5, "prediction"),
    ),
    "Y_hat": ("dY = Y_hat - Y", ("SquaredError()", "identity", 0.5, "prediction")),
    "walrus-free type annot": (
        "err: np.ndarray = y_hat - y_true\ngrad: np.ndarray = 2.0 / n * err",
        ("SquaredError()", "identity", "1/n", "prediction"),
    ),
    "semicolons": ("e=o-t;g=e*o*(1-o)", ("SquaredError()", "sigmoid", 0.5, "pre-activation")),
    "pow function": (
        "g = (a - y) * (a - np.power(a, 2))",
        ("SquaredError()", "sigmoid", 0.5, "pre-activation"),
    ),
    "torch pow": (
        "g = 2 * torch.mul(torch.sub(pred, target), 1) / target.numel()",
        ("SquaredError()", "identity", "1/N", "prediction"),
    ),
    "half factor": ("g = 0.5 * 2 * (y_pred - y_true)", ("SquaredError()", "identity", 0.5, "prediction")),
    "minus brackets": ("grad = -(t - o)", ("SquaredError()", "identity", 0.5, "prediction")),
    "division by K const": (
        "g = (yhat - y) * (2.0 / 32)",
        ("SquaredError()", "identity", 0.03125, "prediction"),
    ),
    "one over batch": (
        "g = (1.0 / batch_size) * (yhat - y)",
        ("SquaredError()", "identity", "1/(2*batch_size)", "prediction"),
    ),
    "mean axis 0": (
        "yhat = X @ W\ngb = np.mean(2 * (yhat - Y), axis=0)",
        ("SquaredError()", "identity", "1/N", "prediction"),
    ),
    "global unpack x,y": (
        "for x, y in data:\n    a = w * x + b\n    w -= lr * 2 * (a - y) * x\n    b -= lr * 2 * (a - y)",
        ("SquaredError()", "identity", 1.0, "prediction"),
    ),
    "batch loop": (
        "for start in range(0, n, bs):\n"
        "    xb, yb = X[start:start+bs], Y[start:start+bs]\n"
        "    out = xb @ W\n"
        "    W -= lr * xb.T @ (out - yb) / bs",
        ("SquaredError()", "identity", "1/(2*bs)", "prediction"),
    ),
    "pinball 0.9 and 0.2": (
        "np.where(y > q, -0.9, 0.2)",
        ("Pinball(quantile=9/11)", "identity", 1.1, "prediction"),
    ),
    "skew": ("p @ A - y", ("SquaredError()", "identity", 0.5, "prediction")),
    "if/else huber return": (
        "def grad(p, y, delta=1.0):\n"
        "    e = p - y\n"
        "    if abs(e) <= delta:\n"
        "        return e\n"
        "    else:\n"
        "        return delta * np.sign(e)",
        ("Huber()", "identity", 1.0, "prediction"),
    ),
    "if/else mae": (
        "if y_pred > y_true:\n    grad = 1\nelse:\n    grad = -1",
        ("AbsoluteError()", "identity", 1.0, "prediction"),
    ),
    "if/else pinball": (
        "if y > q:\n    g = -0.3\nelse:\n    g = 0.7",
        ("Pinball(quantile=0.3)", "identity", 1.0, "prediction"),
    ),
    "if hinge per sample": (
        "margin = y * (np.dot(w, x) + b)\nif margin < 1:\n    g = -y\nelse:\n    g = 0",
        ("Hinge()", "identity", 1.0, "prediction"),
    ),
    "if activation == string": (
        "def act_deriv(a, kind='tanh'):\n"
        "    if kind == 'sigmoid':\n"
        "        return a * (1 - a)\n"
        "    elif kind == 'tanh':\n"
        "        return 1 - a**2\n"
        "    return 1\n"
        "delta = (a2 - y) * act_deriv(a2)",
        ("SquaredError()", "tanh", 0.5, "pre-activation"),
    ),
    "mse not used, second branch mae": (
        "mode = 'mae'\nif mode == 'mse':\n    g = 2 * (p - y)\nelse:\n    g = np.sign(p - y)",
        ("AbsoluteError()", "identity", 1.0, "prediction"),
    ),
    "in place in numpy method": (
        "g = p - y\nnp.clip(g, -1, 1, out=g)",
        ("Huber()", "identity", 1.0, "prediction"),
    ),
    "gradient clipping after": (
        "g = (p - y)\ng = np.clip(g, -5, 5)",
        ("Huber(delta=5.0)", "identity", 1.0, "prediction"),
    ),
    "(p - y) * p in disguise": (
        "(p - y) / (p + (1 - p)) * p",
        ("SquaredError()", "exp", 0.5, "pre-activation"),
    ),
    "ce prob plus": ("-y / p + 1", ("Poisson(input='rate')", "identity", 1.0, "prediction")),
    "weight depends on sample": ("(p - y) * x", ("SquaredError()", "identity", "0.5*x", "prediction")),
    "weight of prediction": ("(p - y) * z", ("SquaredError()", "identity", "0.5*z", "prediction")),
    "two softmax": (
        "p = softmax(softmax(z))\ndz = p - y",
        ("CrossEntropy()", "softmax", 1.0, "pre-activation"),
    ),
    "lambda f df": (
        "f = lambda x: 1/(1+np.exp(-x))\n"
        "df = lambda x: x*(1-x)\n"
        "o = f(h @ W)\n"
        "d = (o - y) * df(o)\n"
        "dW = h.T @ d",
        ("SquaredError()", "sigmoid", 0.5, "pre-activation"),
    ),
    "n as int": ("n = 100\ng = 2 * (p - y) / n", ("SquaredError()", "identity", 0.01, "prediction")),
    "2/m matmul": ("g = 2/m * X.T @ (X @ w - y)", ("SquaredError()", "identity", "1/m", "prediction")),
    "1/len(X) matmul": (
        "w -= lr * (1/len(X)) * X.T @ (X @ w - y)",
        ("SquaredError()", "identity", "1/(2*N)", "prediction"),
    ),
    "numpy size method": (
        "g = 2 * (p - y) / np.size(y)",
        ("SquaredError()", "identity", "1/N", "prediction"),
    ),
    "y.shape[0] matmul": (
        "dz = sigmoid(X @ w) - y\ndw = (1 / y.shape[0]) * (X.T @ dz)",
        ("BinaryCrossEntropy()", "sigmoid", "1/N", "pre-activation"),
    ),
    "target option like labels": (
        "dlogits = probs - onehot_labels",
        ("SquaredError()", "identity", 0.5, "prediction"),
    ),
    "ground_truth": (
        "error = prediction - ground_truth\ngrad = 2 * error",
        ("SquaredError()", "identity", 1.0, "prediction"),
    ),
    "y_i and p_i": ("g_i = p_i - y_i", ("SquaredError()", "identity", 0.5, "prediction")),
    "Y_oh": ("A = softmax(Z)\ndZ = A - Y_oh", ("CrossEntropy()", "softmax", 1.0, "pre-activation")),
    "T one_hot_targets": (
        "O = softmax(Z)\nD = (O - one_hot_targets) / N",
        ("CrossEntropy()", "softmax", "1/N", "pre-activation"),
    ),
    "greek ok": (
        "ŷ = sigmoid(X @ θ)\ng = X.T @ (ŷ - y) / n",
        ("BinaryCrossEntropy()", "sigmoid", "1/n", "pre-activation"),
    ),
    "50 * (p - y)": ("50 * (p - y)", ("SquaredError()", "identity", None, "prediction")),
    "(p - y) / 100": ("(p - y) / 100", ("SquaredError()", "identity", None, "prediction")),
    "(p - y) / 60000": ("(p - y) / 60000", ("SquaredError()", "identity", None, "prediction")),
    "2 * (p - y) / 1000": ("2 * (p - y) / 1000", ("SquaredError()", "identity", None, "prediction")),
    "0.01 * (p - y)": ("0.01 * (p - y)", ("SquaredError()", "identity", None, "prediction")),
    "1e-10 * (p - y)": ("1e-10 * (p - y)", ("SquaredError()", "identity", None, "prediction")),
    "1e4 * (p - y)": ("1e4 * (p - y)", ("SquaredError()", "identity", None, "prediction")),
    "two names": ("alpha * beta * (p - y)", ("SquaredError()", "identity", "0.5*alpha*beta", "prediction")),
    "20 names": (
        "(p - y) * c0 * c1 * c2 * c3 * c4 * c5 * c6 * c7 * c8 * c9 * c10 * c11 * c12 * c13 * "
        "c14 * c15 * c16 * c17 * c18 * c19",
        ("SquaredError()", "identity", None, "prediction"),
    ),
    "sigmoid with 1000": (
        "(a - y) * a * (1 - a) / 1000",
        ("SquaredError()", "sigmoid", 0.0005, "pre-activation"),
    ),
    "bce 1000": (
        "a = sigmoid(z)\ndz = (a - y) / 1000",
        ("BinaryCrossEntropy()", "sigmoid", 0.001, "pre-activation"),
    ),
    "softmax 60000": (
        "a = softmax(z)\ndz = (a - y) / 60000",
        ("CrossEntropy()", "softmax", None, "pre-activation"),
    ),
    "mae 100": ("np.sign(p - y) / 100", ("AbsoluteError()", "identity", 0.01, "prediction")),
    "bce 3": ("p = sigmoid(z)\ng = 3 * (p - y)", ("BinaryCrossEntropy()", "sigmoid", 3.0, "pre-activation")),
    "hinge big": ("np.where(y * z < 1, -y, 0) / 100", ("Hinge()", "identity", 0.01, "prediction")),
    "logcosh 100": ("np.tanh(p - y) / 100", ("LogCosh()", "identity", 0.01, "prediction")),
    "huber at 100 clip": ("np.clip(p - y, -100, 100)", ("Huber(delta=100.0)", "identity", 1.0, "prediction")),
    "eps bce, within rounding": (
        "(p - y) / (p * (1 - p) + 1e-12)",
        ("BinaryCrossEntropy(input='probabilities')", "identity", 1.0, "prediction"),
    ),
    "clip p 15": (
        "p = np.clip(sigmoid(z), 1e-15, 1 - 1e-15)\ng = p - y",
        ("BinaryCrossEntropy()", "sigmoid", 1.0, "pre-activation"),
    ),
    "update in columns": (
        "Z = np.dot(W, X) + b\n"
        "A = 1/(1 + np.exp(-Z))\n"
        "dZ = A - Y\n"
        "dW = np.dot(dZ, X.T) / m\n"
        "db = np.sum(dZ) / m\n"
        "W = W - learning_rate * dW",
        ("BinaryCrossEntropy()", "sigmoid", "1/m", "pre-activation"),
    ),
    "hidden backward first listed": (
        "o = softmax(h @ W2)\n"
        "do = (o - y) / len(y)\n"
        "dh = do @ W2.T * (1 - h**2)\n"
        "gW1 = X.T @ dh\n"
        "gW2 = h.T @ do",
        ("CrossEntropy()", "softmax", "1/N", "pre-activation"),
    ),
    "y first": (
        "d = y_true - softmax(logits)\nW += lr * X.T @ d",
        ("CrossEntropy()", "softmax", 1.0, "pre-activation"),
    ),
    "mean reduce": (
        "p = sigmoid(X @ w)\ngrad = (X * (p - y)[:, None]).mean(axis=0)",
        ("BinaryCrossEntropy()", "sigmoid", "1/N", "pre-activation"),
    ),
    "reshape col": (
        "p = sigmoid(X @ w)\ngrad = np.mean((p - y).reshape(-1, 1) * X, axis=0)",
        ("BinaryCrossEntropy()", "sigmoid", "1/N", "pre-activation"),
    ),
    "torch.no_grad": (
        "with torch.no_grad():\n"
        "    p = torch.sigmoid(X @ w + b)\n"
        "    dz = (p - y) / X.shape[0]\n"
        "    w -= lr * (X.t() @ dz)",
        ("BinaryCrossEntropy()", "sigmoid", "1/N", "pre-activation"),
    ),
    "huber tf": (
        "e = y_pred - y_true\ng = np.where(np.abs(e) < delta, e, delta * np.sign(e))",
        ("Huber()", "identity", 1.0, "prediction"),
    ),
    "quantile name": ("np.where(y < q, 1 - tau, -tau)", ("Pinball()", "identity", 1.0, "prediction")),
    "mean abs": (
        "np.sign(y_pred - y_true) / len(y_true)",
        ("AbsoluteError()", "identity", "1/N", "prediction"),
    ),
    "mae 2*>-1": ("g = 2 * (y_pred > y_true) - 1", ("AbsoluteError()", "identity", 1.0, "prediction")),
    "poisson log1p link text": (
        "mu = np.exp(eta)\ndeta = mu - y",
        ("Poisson()", "exp", 1.0, "pre-activation"),
    ),
    "softplus stable sigmoid": (
        "p = np.where(z >= 0, 1/(1+np.exp(-z)), np.exp(z)/(1+np.exp(z)))\ng = p - y",
        ("BinaryCrossEntropy()", "sigmoid", 1.0, "pre-activation"),
    ),
    "squared hinge /n": (
        "s = X @ w\nm = np.maximum(0, 1 - y*s)\ngrad = -2 * X.T @ (y * m) / n",
        ("SquaredHinge()", "identity", "1/n", "prediction"),
    ),
    "svm full": ("s = X @ w\ng = -X.T @ (y * (y*s < 1)) * C + w", ("Hinge()", "identity", "C", "prediction")),
    "leak of a local": (
        "def prep(y):\n    y = (y - 3)**3\n    return y\ndef grad(p, y):\n    return 2 * (p - y)",
        ("SquaredError()", "identity", 1.0, "prediction"),
    ),
    "leak of a local a": (
        "def act(z):\n    a = np.tanh(z)\n    return a\ndef grad(a, y):\n    return (a - y) * a * (1 - a)",
        ("SquaredError()", "sigmoid", 0.5, "pre-activation"),
    ),
    "update grows": (
        "p = sigmoid(X @ w)\nw += lr * X.T @ (p - y) / n",
        ("BinaryCrossEntropy()", "sigmoid", "-1/n", "pre-activation"),
    ),
    "double minus": (
        "p = sigmoid(X @ w)\ngrad = -X.T @ (y - p) / n\nw = w - lr * grad",
        ("BinaryCrossEntropy()", "sigmoid", "1/n", "pre-activation"),
    ),
    "w + lr * -grad": (
        "p = sigmoid(X @ w)\ngrad = X.T @ (p - y) / n\nw = w + lr * -grad",
        ("BinaryCrossEntropy()", "sigmoid", "1/n", "pre-activation"),
    ),
    "step plus neg": (
        "step = -lr * X.T @ (X @ w - y)\nw += step",
        ("SquaredError()", "identity", None, "prediction"),
    ),
    "lr 0.1 literal": (
        "w -= 0.1 * X.T @ (X @ w - y) / len(y)",
        ("SquaredError()", "identity", None, "prediction"),
    ),
    "printed rmse": (
        "p = X @ w\nloss = np.sqrt(np.mean((p - y)**2))\nprint(loss)\ngrad = X.T @ (p - y) / len(y)",
        ("SquaredError()", "identity", "1/(2*N)", "prediction"),
    ),
    "printed logloss": (
        "p = sigmoid(X @ w)\nloss = -np.mean(y*np.log(p) + (1-y)*np.log(1-p))\ngrad = X.T @ (p - y) / len(y)",
        ("BinaryCrossEntropy()", "sigmoid", "1/N", "pre-activation"),
    ),
    "printed logloss sum": (
        "p = sigmoid(X @ w)\nloss = -np.sum(y*np.log(p) + (1-y)*np.log(1-p))\ngrad = X.T @ (p - y) / len(y)",
        ("BinaryCrossEntropy()", "sigmoid", "1/N", "pre-activation"),
    ),
    "printed half mse": (
        "p = X @ w\nJ = 1/(2*m) * np.sum((p - y)**2)\ngrad = X.T @ (p - y) / m",
        ("SquaredError()", "identity", "1/(2*m)", "prediction"),
    ),
    "printed mse + reg": (
        "p = X @ w\n"
        "loss = np.mean((p - y)**2) + lam * np.sum(w**2)\n"
        "grad = 2 * X.T @ (p - y) / len(y) + 2 * lam * w",
        ("SquaredError()", "identity", "1/N", "prediction"),
    ),
    "printed ce": (
        "p = softmax(X @ W)\n"
        "loss = -np.mean(np.sum(Y * np.log(p), axis=1))\n"
        "dz = (p - Y) / len(Y)\n"
        "dW = X.T @ dz",
        ("CrossEntropy()", "softmax", "1/N", "pre-activation"),
    ),
    "printed mse of sigmoid bce": (
        "p = sigmoid(X @ w)\ncost = np.mean((y - p)**2)\ngrad = X.T @ (p - y) / len(y)",
        ("BinaryCrossEntropy()", "sigmoid", "1/N", "pre-activation"),
    ),
}
"""Of each the code; and the loss, the activation, the factor (None: any) and by what it is the slope."""

NAMELESS = {
    "atan": ("np.arctan(p - y)"),
    "se derivative of a wrong layer": ("h = sigmoid(X @ W1)\no = sigmoid(h @ W2)\nd = (o - y) * h"),
    "norm not squared": ("e = p - y\ng = e / np.linalg.norm(e)"),
    "cross term rows": ("z[:, ::-1] - y"),
    "if loss == 'mse' branches": ("if loss == 'mae':\n    g = np.sign(p - y)\nelse:\n    g = (p - y)**3"),
    "cubed by reduce": ("e = p - y\ng = functools.reduce(lambda a, b: a * b, [e, e, e])"),
    "unknown function of the error": ("e = p - y\ng = psi(e)"),
    "unknown weight function": ("e = y_hat - y\ng = e * rho(e)"),
    "unknown derivative of the output": ("o = act(h @ W)\nd = (o - y) * act_prime(o)"),
    "round of prediction": ("np.round(p) - y"),
    "argmax": ("np.argmax(p, axis=1) - y"),
    "p minus y shuffled": ("p - np.roll(y, 1)"),
    "p minus y sorted": ("np.sort(p) - y"),
    "cumsum": ("np.cumsum(p - y)"),
    "transposed": ("p.T - y"),
    "integer division": ("(p - y) // 2"),
    "mod": ("(p - y) % 2"),
    "no comparison: weight decay only": ("dw = 2 * lam * w"),
    "attention": ("scores = Q @ K.T / np.sqrt(d)\nout = softmax(scores) @ V"),
    "adam alone": ("m = b1*m + (1-b1)*g\nv = b2*v + (1-b2)*g**2\nw -= lr * m / (np.sqrt(v) + eps)"),
    "k-means": ("d = np.linalg.norm(X - centroids, axis=1)\nlabels = np.argmin(d)"),
    "distance only": ("dist = np.sqrt(np.sum((a - b)**2))"),
    "euler step": ("y = y + h * f(t, y)"),
    "q-learning": ("Q[s, a] = Q[s, a] + alpha * (r + gamma * np.max(Q[s2]) - Q[s, a])"),
    "logits diff": ("out = model(x)\nloss = criterion(out, y)\nloss.backward()\noptimizer.step()"),
    "hessian: bce": ("p = sigmoid(z)\nhess = p * (1 - p)"),
}
"""Code whose gradient is that of no loss of the catalogue, or is not all to be read."""
