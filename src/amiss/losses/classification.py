"""Classification losses: a prediction is a score or a probability of a class."""

from dataclasses import dataclass
from typing import Any

from amiss.core import (
    CLASSES,
    NON_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    REAL,
    Array,
    Domain,
    ElementwiseLoss,
    Facts,
    SoftmaxOptions,
    option,
    parameter,
    setting,
)
from amiss.core.classes import check_axis, check_class_weight, check_classes, check_ignore_index
from amiss.losses._likelihood import ClassLikelihood

BELOW_HALF = Domain("in [0, 0.5)", low=0.0, high=0.5, open_high=True)
BELOW_ONE = Domain("in [0, 1)", low=0.0, high=1.0, open_high=True)


@dataclass(frozen=True)
class BinaryCrossEntropy(ElementwiseLoss):
    """The negative log-likelihood of a yes-or-no label, or of a probability of yes.

    Use it for one or several independent yes-or-no questions; give logits, which keep full precision.
    Avoid it for classes that exclude each other: that is `CrossEntropy`.

    Args:
        input: what the prediction is: "logits" (any real number) or "probabilities" (in [0, 1]).
        positive_weight: multiplies the term of the label 1, for rare positives.
        label_smoothing: moves targets towards ½: target * (1 - s) + s / 2.
        epsilon: a probability of the true label below it counts as epsilon; at 0 nothing is clipped, and a
            probability of 0 for the true label costs +inf.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: nats. gradient: nats per unit of the prediction.

    Notes:
        The spelling "BCELoss" clips at exp(-100), so that no item costs more than about 100, as there;
        its gradient in the clipped zone is 0, where the peer's is -1e12. Keras' spelling clips at 1e-7; Keras
        also clips from above, which makes a perfect prediction cost 1e-7 there and 0 here.

    Source:
        Cox (1958), Journal of the Royal Statistical Society B 20(2), 215-242.

    Examples:
        >>> float(BinaryCrossEntropy()([0.0], [1.0]))  # log 2
        0.6931471805599453
        >>> float(BinaryCrossEntropy(input="probabilities")([0.25], [0.0]))  # -log 0.75
        0.2876820724517809
    """

    input: str = option("logits", "logits", "probabilities")
    positive_weight: float = parameter(
        1.0, domain=POSITIVE, typical=(0.2, 5.0), symbol=r"\omega", neutral=True
    )
    label_smoothing: float = parameter(
        0.0, domain=BELOW_ONE, typical=(0.0, 0.3), symbol=r"\alpha", neutral=True
    )
    epsilon: float = parameter(
        0.0, domain=BELOW_HALF, typical=(0.0, 1e-3), symbol=r"\varepsilon", neutral=True
    )

    aliases = {
        "bce": {},
        "BCEWithLogitsLoss": {},
        "binary_cross_entropy_with_logits": {},
        "sigmoid_binary_cross_entropy": {},
        "torch.nn.BCEWithLogitsLoss": {},
        "torch.nn.functional.binary_cross_entropy_with_logits": {},
        "optax.sigmoid_binary_cross_entropy": {},
        "binary:logistic": {},
        "xgboost.binary:logistic": {},
        "xgboost.binary:logitraw": {},
        "xgboost.reg:logistic": {},
        "lightgbm.binary": {},
        "lightgbm.cross_entropy": {},
        "catboost.Logloss": {},
        "catboost.CrossEntropy": {},
        "BCELoss": {"input": "probabilities", "epsilon": 3.720075976020836e-44},
        "torch.nn.BCELoss": {"input": "probabilities", "epsilon": 3.720075976020836e-44},
        "torch.nn.functional.binary_cross_entropy": {
            "input": "probabilities",
            "epsilon": 3.720075976020836e-44,
        },
        "keras.losses.BinaryCrossentropy": {"input": "probabilities", "epsilon": 1e-7},
    }
    translations = {
        "torch.nn.BCEWithLogitsLoss": {"pos_weight": "positive_weight"},
        "torch.nn.functional.binary_cross_entropy_with_logits": {"pos_weight": "positive_weight"},
        "keras.": {"from_logits": {False: {}, True: {"input": "logits", "epsilon": 0.0}}, "axis": None},
        "binary:logistic": {"scale_pos_weight": "positive_weight"},
        "xgboost.": {"scale_pos_weight": "positive_weight"},
        "lightgbm.binary": {"scale_pos_weight": "positive_weight", "sigmoid": {1.0: {}}},
        "catboost.Logloss": {"scale_pos_weight": "positive_weight"},
    }
    peers = {
        "PyTorch": "BCEWithLogitsLoss is the same; BCELoss takes probabilities, their log at least -100.",
        "Keras": "BinaryCrossentropy takes probabilities unless told, and clips both ends at 1e-7.",
        "optax": "sigmoid_binary_cross_entropy is the same, unreduced.",
        "scikit-learn": "log_loss is the same, of probabilities.",
        "XGBoost": "binary:logistic is the same; positive_weight is scale_pos_weight.",
        "LightGBM": "binary is the same; positive_weight is scale_pos_weight.",
        "CatBoost": "Logloss is the same, of labels; CrossEntropy is too, of probabilities.",
    }

    @property
    def prediction_symbol(self) -> str:
        return "z" if self.input == "logits" else "p"

    @property
    def prediction_domain(self) -> Domain:
        return REAL if self.input == "logits" else PROBABILITY

    target_domain = CLASSES

    @property
    def facts(self) -> Facts:
        from_logits = self.input == "logits"
        larger = max(1.0, self.positive_weight)
        plain = self.label_smoothing == 0.0
        clipped = self.epsilon > 0.0 and not from_logits
        steepest = larger / self.epsilon if clipped else float("inf")
        return Facts(
            convex=not clipped,
            minimiser="mean" if self.positive_weight == 1.0 and plain else "weighted mean",
            lipschitz=larger if from_logits else steepest,
            smoothness=larger / 4.0 if from_logits else float("inf"),
            differentiable="everywhere"
            if from_logits
            else "not at the clipping points"
            if clipped
            else "not at probabilities 0 and 1",
            zero_at_perfection=plain and not from_logits,
            monotone=plain,
            likelihood="Bernoulli" if plain and self.positive_weight == 1.0 and not clipped else None,
            link="logit" if from_logits else "identity",
        )

    def _labels(self, target: Array) -> tuple[Array, Array]:
        """Return the weights of the two terms, that of label 1 and that of label 0."""
        drift = self.label_smoothing / 2.0 - self.label_smoothing * target
        return self.positive_weight * (target + drift), (1.0 - target) - drift

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        yes, no = self._labels(target)
        if self.input == "logits":
            return xp.weigh(yes, xp.softplus(-prediction)) + xp.weigh(no, xp.softplus(prediction))
        least = xp.log(self.epsilon)
        return -xp.weigh(yes, xp.maximum(xp.log(prediction), least)) - xp.weigh(
            no, xp.maximum(xp.log1p(-prediction), least)
        )

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        yes, no = self._labels(target)
        if self.input == "logits":
            return no * xp.sigmoid(prediction) - yes * xp.sigmoid(-prediction)
        rest = 1.0 - prediction
        return xp.where(rest < self.epsilon, 0.0, xp.ratio(no, rest)) - xp.where(
            prediction < self.epsilon, 0.0, xp.ratio(yes, prediction)
        )

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        yes, no = self._labels(target)
        if self.input == "logits":
            both, lost = xp.difference(yes, -no)
            return xp.sigmoid_slope(prediction, both, lost)
        rest = 1.0 - prediction
        return xp.where(rest < self.epsilon, 0.0, xp.ratio(xp.ratio(no, rest), rest)) + xp.where(
            prediction < self.epsilon, 0.0, xp.ratio(xp.ratio(yes, prediction), prediction)
        )

    def _error(self, xp: Any, prediction: Array, target: Array) -> Array:
        return (xp.sigmoid(prediction) if self.input == "logits" else prediction) - target


@dataclass(frozen=True)
class CrossEntropy(ClassLikelihood):
    """The negative log-likelihood of the true class among K, or of class probabilities.

    Use it for classes that exclude each other; give logits, which keep full precision.
    Avoid it for labels that may hold together: that is `BinaryCrossEntropy`.

    Args:
        input: what the prediction is: "logits", "probabilities" or "log_probabilities". Rows are never
            renormalised.
        ignore_index: a class index that removes its item from the loss and from the divisor.
        class_weight: one number per class, which multiplies the class's term; the divisor of the mean counts
            each item with the weight of its class.
        label_smoothing: moves target rows towards 1 / K: target * (1 - s) + s / K.
        axis: where the classes lie.
        epsilon: a probability of the true class below it counts as epsilon; at 0 nothing is clipped, and a
            probability of 0 for the true class costs +inf.

    Shapes:
        prediction, gradient, hessian: (..., K) with K along `axis`.
        target: (...) class indices, or (..., K) probabilities. One item per row.

    Units:
        value: nats. gradient: nats per unit of the prediction.

    Notes:
        From logits the whole Hessian of a row is diag(p) - p p'; `hessian` is its diagonal p (1 - p), and
        `hessian_product` multiplies by the whole. Adding a constant to all logits changes nothing.

    Source:
        Bridle (1990), in Neurocomputing, NATO ASI Series F 68, 227-236, doi:10.1007/978-3-642-76153-9_28.

    Examples:
        >>> float(CrossEntropy(input="probabilities")([[0.125, 0.75, 0.125]], [1]))  # -log 0.75
        0.2876820724517809
        >>> float(CrossEntropy()([[0.0, 0.0, 0.0, 0.0]], [2]))  # log 4
        1.3862943611198906
    """

    input: str = option("logits", "logits", "probabilities", "log_probabilities")
    ignore_index: int | None = setting(None, check_ignore_index)
    class_weight: tuple[float, ...] | None = setting(None, check_class_weight)
    label_smoothing: float = parameter(
        0.0, domain=BELOW_ONE, typical=(0.0, 0.3), symbol=r"\alpha", neutral=True
    )
    axis: int = setting(-1, check_axis)
    epsilon: float = parameter(
        0.0, domain=BELOW_HALF, typical=(0.0, 1e-3), symbol=r"\varepsilon", neutral=True
    )

    aliases = {
        "ce": {},
        "CrossEntropyLoss": {"ignore_index": -100, "axis": 1},
        "torch.nn.CrossEntropyLoss": {"ignore_index": -100, "axis": 1},
        "torch.nn.functional.cross_entropy": {"ignore_index": -100, "axis": 1},
        "NLLLoss": {"input": "log_probabilities", "ignore_index": -100, "axis": 1},
        "torch.nn.NLLLoss": {"input": "log_probabilities", "ignore_index": -100, "axis": 1},
        "softmax_cross_entropy": {},
        "softmax_cross_entropy_with_integer_labels": {},
        "optax.softmax_cross_entropy": {},
        "optax.softmax_cross_entropy_with_integer_labels": {},
        "CategoricalCrossentropy": {"input": "probabilities", "epsilon": 1e-7},
        "keras.losses.CategoricalCrossentropy": {"input": "probabilities", "epsilon": 1e-7},
        "categorical_crossentropy": {"input": "probabilities", "epsilon": 1e-7},
        "SparseCategoricalCrossentropy": {"input": "probabilities", "epsilon": 1e-7},
        "keras.losses.SparseCategoricalCrossentropy": {"input": "probabilities", "epsilon": 1e-7},
        "sparse_categorical_crossentropy": {"input": "probabilities", "epsilon": 1e-7},
        "multi:softprob": {},
        "xgboost.multi:softprob": {},
        "xgboost.multi:softmax": {},
        "multiclass": {},
        "lightgbm.multiclass": {},
        "catboost.MultiClass": {},
    }
    translations = {
        "torch.": {"weight": "class_weight", "dim": "axis"},
        "keras.": {
            "from_logits": {False: {}, True: {"input": "logits", "epsilon": 0.0}},
            "ignore_class": "ignore_index",
        },
        "xgboost.": {"num_class": None},
        "lightgbm.": {"num_class": None},
    }
    peers = {
        "PyTorch": "CrossEntropyLoss is the same, classes on axis 1; weighted rows of targets: Σ / N.",
        "Keras": "CategoricalCrossentropy takes probabilities unless told, and divides rows by their sum.",
        "optax": "softmax_cross_entropy is the same, unreduced; the class -1 is the last one there.",
        "scikit-learn": "log_loss is the same, of probabilities.",
        "XGBoost": "multi:softprob has the same gradient and twice the Hessian.",
        "LightGBM": "multiclass has the same gradient and K / (K - 1) times the Hessian.",
        "CatBoost": "MultiClass is the same.",
    }

    @property
    def facts(self) -> Facts:
        heaviest = max(self.class_weight or (1.0,))
        plain = self.label_smoothing == 0.0
        clipped = self.epsilon > 0.0 and self.input == "probabilities"
        shapes: dict[str, dict[str, Any]] = {
            "logits": {"lipschitz": heaviest * 2**0.5, "smoothness": heaviest / 2.0, "link": "softmax"},
            "probabilities": {
                "lipschitz": heaviest / self.epsilon if clipped else float("inf"),
                "differentiable": "not at the clipping point" if clipped else "not at probability 0",
            },
            "log_probabilities": {"lipschitz": heaviest, "smoothness": 0.0, "link": "log"},
        }
        return Facts(
            convex=not clipped,
            minimiser="class frequencies" if plain and self.class_weight is None else "weighted frequencies",
            zero_at_perfection=self.input != "logits" and plain,
            monotone=plain,
            likelihood="categorical" if plain and self.class_weight is None and not clipped else None,
            hessian="zero almost everywhere" if self.input == "log_probabilities" else "exact",
            **shapes[self.input],
        )

    @property
    def _ignored(self) -> int | None:
        return self.ignore_index

    @property
    def _classes(self) -> int | None:
        return None if self.class_weight is None else len(self.class_weight)

    @property
    def _softmax_options(self) -> SoftmaxOptions | None:
        if self.input != "logits":
            return None
        return SoftmaxOptions(self.class_weight, self.ignore_index, self.label_smoothing)

    def _check_classes(self, classes: int | None) -> None:
        check_classes(type(self).__name__, self.class_weight, classes)

    def _mass(self, xp: Any, target: Array) -> Array:
        return xp.sum(xp.row(self.class_weight, target) * target)

    def _shares(self, xp: Any, target: Array) -> Array:
        """Return how much each class's -log p counts: the smoothed target times the class weight."""
        share = target * (1.0 - self.label_smoothing) + self.label_smoothing / xp.length(target)
        return share if self.class_weight is None else xp.row(self.class_weight, target) * share

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        share = self._shares(xp, target)
        if self.input == "logits":
            return -xp.sum(xp.weigh(share, xp.log_softmax(prediction)))
        if self.input == "log_probabilities":
            return -xp.sum(xp.weigh(share, prediction))
        return -xp.sum(xp.weigh(share, xp.maximum(xp.log(prediction), xp.log(self.epsilon))))

    def _clipped(self, xp: Any, prediction: Array, slope: Array) -> Array:
        return xp.where(prediction < self.epsilon, 0.0, slope)


@dataclass(frozen=True)
class BinaryFocal(ElementwiseLoss):
    """Binary cross-entropy from logits, times how wrong the probability is to the power `gamma`.

    Use it when easy items outnumber the hard ones by far, as background does in detection.
    Avoid it where probabilities must be calibrated: an item stops counting before it is right.

    Args:
        gamma: the power; 0 gives binary cross-entropy.
        positive_weight: multiplies the term of the label 1.
        negative_weight: multiplies the term of the label 0.

    Shapes:
        prediction, target, gradient, hessian: (...), equal. One item per number.

    Units:
        value: nats. gradient: nats per unit of the logit.

    Notes:
        With p the probability of the label the value is (1 - p)^gamma times -log p. An alpha of 0.25
        elsewhere is positive_weight=0.25 and negative_weight=0.75 here.
        The Hessian is negative where a wrong item is so wrong that its gradient no longer grows.

    Source:
        Lin, Goyal, Girshick, He and Dollar (2017), ICCV, 2980-2988, doi:10.1109/ICCV.2017.324.

    Examples:
        >>> round(float(BinaryFocal()([0.0], [1.0])), 6)  # 0.5 ** 2 * log 2
        0.173287
    """

    gamma: float = parameter(2.0, domain=NON_NEGATIVE, typical=(0.5, 5.0), symbol=r"\gamma")
    positive_weight: float = parameter(
        1.0, domain=POSITIVE, typical=(0.2, 5.0), symbol=r"\omega", neutral=True
    )
    negative_weight: float = parameter(1.0, domain=POSITIVE, typical=(0.2, 5.0), symbol=r"\nu", neutral=True)

    aliases = {
        "focal": {},
        "optax.losses.sigmoid_focal_loss": {},
        "torchvision.ops.sigmoid_focal_loss": {"positive_weight": 0.25, "negative_weight": 0.75},
    }
    translations = {
        library: {"alpha": lambda a: {} if a is None else {"positive_weight": a, "negative_weight": 1.0 - a}}
        for library in ("optax.", "torchvision.")
    }
    peers = {
        "PyTorch": "none; in torchvision alpha 0.25 stands for the weights 0.25 and 0.75.",
        "Keras": "BinaryFocalCrossentropy takes probabilities; alpha needs apply_class_balancing=True.",
        "optax": "sigmoid_focal_loss is the same, unreduced, its alpha None unless told.",
    }

    prediction_symbol = "z"
    target_domain = CLASSES

    @property
    def facts(self) -> Facts:
        return Facts(
            convex=self.gamma == 0.0,
            minimiser="focal mean",
            lipschitz=None,
            smoothness=None,
            zero_at_perfection=False,
            link="logit",
        )

    def _labels(self, target: Array) -> tuple[Array, Array]:
        """Return the weights of the two terms, that of label 1 and that of label 0."""
        return self.positive_weight * target, self.negative_weight * (1.0 - target)

    def _value(self, xp: Any, prediction: Array, target: Array) -> Array:
        yes, no = self._labels(target)
        return xp.weigh(yes, self._cost(xp, prediction)) + xp.weigh(no, self._cost(xp, -prediction))

    def _gradient(self, xp: Any, prediction: Array, target: Array) -> Array:
        yes, no = self._labels(target)
        return xp.weigh(yes, self._slope(xp, prediction)) - xp.weigh(no, self._slope(xp, -prediction))

    def _hessian(self, xp: Any, prediction: Array, target: Array) -> Array:
        yes, no = self._labels(target)
        return xp.weigh(yes, self._bend(xp, prediction)) + xp.weigh(no, self._bend(xp, -prediction))

    def _error(self, xp: Any, prediction: Array, target: Array) -> Array:
        return xp.sigmoid(prediction) - target

    # The term of the label 1 and its derivatives, p = sigmoid(z); that of the label 0 is the same at -z.
    def _cost(self, xp: Any, z: Array) -> Array:
        return xp.weigh(xp.sigmoid_power(-z, self.gamma), xp.softplus(-z))

    def _slope(self, xp: Any, z: Array) -> Array:
        p, rest = xp.sigmoid(z), xp.sigmoid(-z)
        slope = xp.multiply_add(self.gamma, xp.weigh(p, xp.softplus(-z)), rest)
        return -xp.sigmoid_power(-z, self.gamma) * slope

    def _bend(self, xp: Any, z: Array) -> Array:
        p, rest = xp.sigmoid(z), xp.sigmoid(-z)
        faded = self.gamma * (self.gamma * p - rest) * xp.softplus(-z)
        bend = xp.multiply_add(2.0 * self.gamma + 1.0, rest, faded)
        return xp.sigmoid_power(-z, self.gamma) * xp.weigh(p, bend)
