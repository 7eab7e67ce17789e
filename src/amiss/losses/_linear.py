"""Cross-entropy behind a linear layer; it takes other operands than a loss, and so is none of a family."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from amiss.arrays import Array, untraced
from amiss.core.classes import check_class_weight, check_ignore_index
from amiss.core.errors import ParameterError
from amiss.core.linear import LinearWork
from amiss.core.operands import open_operands
from amiss.core.parameters import check_fields, parameter, setting
from amiss.core.reduction import Reduction
from amiss.losses.classification import BELOW_ONE, CrossEntropy

__all__ = ["LinearCrossEntropy", "LinearGradients"]


_Arrays = tuple[Array, Array, Array, Array | None, Array | None]
"""hidden, weight, target, bias and sample_weight."""


class LinearGradients(NamedTuple):
    """The derivatives of a reduced loss in the operands of a linear layer; None for a bias that is not there.

    Shapes:
        hidden: (..., D). weight: (V, D). bias: (V,).
    """

    hidden: Array
    weight: Array
    bias: Array | None


def _check_memory(owner: str, name: str, value: Any) -> int:
    """Return a positive whole number, or raise ParameterError."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 1:
        raise ParameterError(f"{owner}: {name} must be a positive whole number of bytes; got {value!r}.")
    return int(value.__index__())


@dataclass(frozen=True)
class LinearCrossEntropy:
    """Cross-entropy of the logits hidden @ weight.T + bias, which are never held all at once.

    Use it for the last layer of a model with a large vocabulary, where the logits would fill the memory.
    Avoid it for some hundred classes, whose logits are small: a linear layer and `CrossEntropy` are simpler.

    Rows are worked on in chunks. The logits of a chunk become their derivative, which is multiplied into the
    gradients while it is still in the cache. On PyTorch tensors that require a gradient a call computes the
    gradients with the value; `backward` then only scales them. With reduction="none" it computes the
    logits again, as it does when a retained graph is used twice, and for float16.

    Args:
        ignore_index: a class index that removes its item from the loss and from the divisor.
        class_weight: one number per class, which multiplies the class's term; the divisor of the mean counts
            each item with the weight of its class.
        label_smoothing: moves target rows towards 1 / V: target * (1 - s) + s / V.
        memory: bytes of working arrays, above inputs, results and a few numbers per row; on an accelerator
            give more than the default 64 MiB, such as 2**30. Below what a few whole rows of logits take, rows
            are cut, and each logit is computed twice; no less is used than some sqrt(V) + D numbers take.

    Shapes:
        hidden: (..., D), and its gradient. weight: (V, D), and its gradient. bias: (V,), and its gradient.
        target, sample_weight: (...), class indices in 0..V-1 and numbers. One item per row of hidden.

    Units:
        value: nats. gradient: nats per unit of the operand.

    Notes:
        The value is that of `cross_entropy` of the logits, but for rounding. Which digits are rounded away in
        the gradients of weight and bias, which are sums over rows, depends on `memory`. Items that do not
        count are left out of the products. Half precision: products are of the operands' dtype, the loss and
        all sums of float32; a float32 array of the weight's shape comes on top of the budget. NumPy arrays of
        half precision are converted to float32 as a whole. JAX and TensorFlow arrays are not taken.
        There is no second derivative.

    Source:
        Wijmans et al. (2025), Cut Your Losses in Large-Vocabulary Language Models, ICLR, arXiv:2411.09009;
        gradients with the value by chunks of rows: Hsu et al. (2024), Liger Kernel, arXiv:2410.10989.

    Examples:
        >>> loss = LinearCrossEntropy()
        >>> float(loss([[1.0, 2.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], [3]))  # log 4
        1.3862943611198906
        >>> value, gradients = loss.value_and_gradient([[2.0]], [[0.5], [0.5]], [1])
        >>> gradients.weight  # (softmax - one-hot)' hidden = [0.5, -0.5]' 2
        array([[ 1.],
               [-1.]])
    """

    ignore_index: int | None = setting(None, check_ignore_index)
    class_weight: tuple[float, ...] | None = setting(None, check_class_weight)
    label_smoothing: float = parameter(0.0, domain=BELOW_ONE, typical=(0.0, 0.3), symbol=r"\alpha")
    memory: int = setting(64 * 2**20, _check_memory)

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def cross_entropy(self) -> CrossEntropy:
        """The same loss of logits.

        Examples:
            >>> LinearCrossEntropy(ignore_index=-100).cross_entropy.ignore_index
            -100
        """
        return CrossEntropy(
            ignore_index=self.ignore_index,
            class_weight=self.class_weight,
            label_smoothing=self.label_smoothing,
        )

    def __call__(
        self,
        hidden: Array,
        weight: Array,
        target: Array,
        bias: Array | None = None,
        sample_weight: Array | None = None,
        reduction: str = "mean",
        normalizer: Any = None,
        empty: str = "nan",
    ) -> Array:
        """Return the loss, differentiable once in hidden, weight and bias on PyTorch tensors.

        Args:
            hidden: the rows that go into the linear layer.
            weight: its weight, one row per class.
            target: the true class of each row.
            bias: its bias.
            sample_weight: one number per item, which is not differentiated; 0 removes an item wholly.
            reduction: "mean" divides the sum of weight * loss by the sum of weights; "sum"; "none" keeps one
                number per item.
            normalizer: another divisor for the mean.
            empty: the mean over nothing: "nan" (with gradients of zeros), "zero", or "raise".

        Raises:
            ShapeError: shapes do not fit.
            DTypeError: an operand has another dtype than hidden, or the target holds no whole numbers.
            DomainError: a label is no class, or a weight is NaN. Where values cannot be seen the item is NaN.
            BackendError: arrays of two libraries are mixed, or are of JAX or TensorFlow.
            ParameterError: an option is unknown, or sample_weight requires a gradient.

        Examples:
            >>> loss = LinearCrossEntropy(ignore_index=-1)
            >>> float(loss([[1.0], [5.0]], [[0.0], [0.0]], [0, -1]))  # log 2, of one item
            0.6931471805599453
        """
        arrays = (hidden, weight, target, bias, sample_weight)
        return untraced(hidden, self._value, arrays, reduction, normalizer, empty)

    def value_and_gradient(
        self,
        hidden: Array,
        weight: Array,
        target: Array,
        bias: Array | None = None,
        sample_weight: Array | None = None,
        reduction: str = "mean",
        normalizer: Any = None,
        empty: str = "nan",
    ) -> tuple[Array, LinearGradients]:
        """Return the loss and its gradients in hidden, weight and bias, from one pass over the logits.

        With reduction="none" the gradients are those of the sum.

        Examples:
            >>> loss = LinearCrossEntropy()
            >>> value, gradients = loss.value_and_gradient([[3.0]], [[0.0], [0.0]], [0], bias=[0.0, 0.0])
            >>> gradients.bias  # softmax - one-hot
            array([-0.5,  0.5])
        """
        arrays = (hidden, weight, target, bias, sample_weight)
        value, gradients = untraced(hidden, self._value_and_gradients, arrays, reduction, normalizer, empty)
        return value, LinearGradients(*gradients)

    def _value(self, arrays: _Arrays, reduction: str, normalizer: Any, empty: str) -> Array:
        work, operands = self._open(arrays, reduction, normalizer, empty)
        return work.batch.xp.with_gradients(work, *operands)

    def _value_and_gradients(
        self, arrays: _Arrays, reduction: str, normalizer: Any, empty: str
    ) -> tuple[Array, tuple[Array | None, ...]]:
        work, operands = self._open(arrays, reduction, normalizer, empty)
        plain = tuple(None if x is None else work.batch.xp.untracked(x) for x in operands)
        return work.run(plain, (True, True, True))

    def _open(
        self, arrays: _Arrays, reduction: str, normalizer: Any, empty: str
    ) -> tuple[LinearWork, tuple[Array, Array, Array | None]]:
        owner = type(self).__name__
        reduce = Reduction(owner, reduction, normalizer, empty)
        batch, items, operands = open_operands(owner, *arrays, self.ignore_index, self.class_weight)
        return LinearWork(self.cross_entropy, batch, reduce, self.memory, items), operands
