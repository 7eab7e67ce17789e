"""What a loss is: a frozen value with one interface over every array library."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from amiss.arrays import Array
from amiss.core.errors import ParameterError
from amiss.core.facts import Facts
from amiss.core.reduction import Total

if TYPE_CHECKING:
    from amiss.core.combination import Combination

__all__ = ["Loss"]


class Loss(ABC):
    """How wrong a prediction is, and which way is better.

    Every method takes `prediction, target, weight=None`, in this order, as arrays of NumPy, PyTorch, JAX or
    TensorFlow, or as lists. Shapes must be equal; nothing is ever broadcast silently. A `weight` has the
    items' shape or a leading part of it: `(N,)` weighs the rows of `(N, D)`. Results have the prediction's
    library, device and dtype; half precision is computed in float32, and its value stays float32.

    Args of every reducing method:
        reduction: "mean" divides the sum of weight * loss by the sum of weights; "sum"; "none" keeps one
            number per item.
        normalizer: another divisor for the mean, such as the number of tokens on all machines.
        empty: the mean over nothing: "nan" (with a gradient of zeros), "zero", or "raise".
        out: a NumPy array of the prediction's shape and dtype, which a derivative is written to and returned
            in; of `gradient_and_hessian` a pair of them.

    Raises:
        ShapeError: shapes do not fit.
        DTypeError: something is not made of real numbers, or a prediction is an integer tensor.
        DomainError: a label, probability or weight is one that the loss gives no meaning to. Where values
            cannot be seen (traced, or on an accelerator) that item's loss and gradient are NaN instead.
        BackendError: arrays of two libraries are mixed.
        ParameterError: an option is unknown.
    """

    aliases: ClassVar[dict[str, dict[str, Any]]] = {}
    """Other spellings of this loss, with the parameters that the spelling stands for."""

    multiples: ClassVar[dict[str, Any]] = {}
    """Spellings of a multiple of this loss: its factor, or a function of the loss that gives it."""

    translations: ClassVar[dict[str, dict[str, Any]]] = {}
    """For spellings that start with a key: what that library calls parameters, and what each is here."""

    peers: ClassVar[dict[str, str]] = {}
    """What differs at other libraries, one sentence each."""

    def __call__(
        self,
        prediction: Array,
        target: Array,
        weight: Array | None = None,
        reduction: str = "mean",
        normalizer: Any = None,
        empty: str = "nan",
    ) -> Array:
        """Return the loss, differentiable twice in the prediction.

        Examples:
            >>> import amiss
            >>> float(amiss.SquaredError()([-2.0, 3.0, 0.0, 5.0], [0, 1, 2, 3]))  # (4 + 4 + 4 + 4) / 4
            4.0
        """
        if type(prediction) is np.ndarray:
            found = self._answer(1, prediction, target, weight, reduction, normalizer, empty, None)
            if found is not None:
                return found
        elif normalizer is None and empty == "nan":
            found = self._value_of_tensors(prediction, target, weight, reduction)
            if found is not None:
                return found
        return self._compute(("value",), prediction, target, weight, reduction, normalizer, empty)[0]

    def gradient(
        self,
        prediction: Array,
        target: Array,
        weight: Array | None = None,
        reduction: str = "mean",
        normalizer: Any = None,
        empty: str = "nan",
        out: Array | None = None,
    ) -> Array:
        """Return the derivative of the reduced loss with respect to each number of the prediction.

        With reduction="none" it is the derivative of each item's own weighted loss, as with "sum".

        Examples:
            >>> import amiss
            >>> amiss.SquaredError().gradient([2.5, 3.0], [2.0, 3.0])  # 2 * error / 2
            array([0.5, 0. ])
        """
        if type(prediction) is np.ndarray:
            found = self._answer(2, prediction, target, weight, reduction, normalizer, empty, out)
            if found is not None:
                return found
        arguments = (prediction, target, weight, reduction, normalizer, empty, None)
        return self._compute(("gradient",), *arguments, None if out is None else {"gradient": out})[0]

    def hessian(
        self,
        prediction: Array,
        target: Array,
        weight: Array | None = None,
        reduction: str = "mean",
        normalizer: Any = None,
        empty: str = "nan",
        out: Array | None = None,
    ) -> Array:
        """Return the diagonal second derivative of the reduced loss, in the shape of the prediction.

        Examples:
            >>> import amiss
            >>> amiss.SquaredError().hessian([2.5, 3.0], [2.0, 3.0])  # 2 / 2
            array([1., 1.])
        """
        if type(prediction) is np.ndarray:
            found = self._answer(4, prediction, target, weight, reduction, normalizer, empty, out)
            if found is not None:
                return found
        arguments = (prediction, target, weight, reduction, normalizer, empty, None)
        return self._compute(("hessian",), *arguments, None if out is None else {"hessian": out})[0]

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        weight: Array | None = None,
        reduction: str = "mean",
        normalizer: Any = None,
        empty: str = "nan",
        out: Array | None = None,
    ) -> tuple[Array, Array]:
        """Return the loss and its gradient; inputs are checked and converted once."""
        if type(prediction) is np.ndarray:
            found: tuple[Array, Array] | None = self._answer(
                3, prediction, target, weight, reduction, normalizer, empty, out
            )
            if found is not None:
                return found
        arguments = (prediction, target, weight, reduction, normalizer, empty, None)
        outputs = None if out is None else {"gradient": out}
        value, gradient = self._compute(("value", "gradient"), *arguments, outputs)
        return value, gradient

    def gradient_and_hessian(
        self,
        prediction: Array,
        target: Array,
        weight: Array | None = None,
        reduction: str = "mean",
        normalizer: Any = None,
        empty: str = "nan",
        out: tuple[Array, Array] | None = None,
    ) -> tuple[Array, Array]:
        """Return gradient and diagonal Hessian: what a gradient booster needs."""
        if type(prediction) is np.ndarray:
            found: tuple[Array, Array] | None = self._answer(
                6, prediction, target, weight, reduction, normalizer, empty, out
            )
            if found is not None:
                return found
        if out is not None and (not isinstance(out, tuple | list) or len(out) != 2):
            raise ParameterError(
                f"{type(self).__name__}: out must be a pair, for gradient and Hessian; got {out!r}."
            )
        wanted = ("gradient", "hessian")
        arguments = (prediction, target, weight, reduction, normalizer, empty, None)
        outputs = None if out is None else dict(zip(wanted, out, strict=True))
        gradient, hessian = self._compute(wanted, *arguments, outputs)
        return gradient, hessian

    def hessian_product(
        self,
        prediction: Array,
        target: Array,
        direction: Array,
        weight: Array | None = None,
        reduction: str = "mean",
        normalizer: Any = None,
        empty: str = "nan",
    ) -> Array:
        """Return the whole Hessian of the reduced loss times a direction of the prediction's shape.

        Examples:
            >>> import amiss
            >>> amiss.SquaredError().hessian_product([1.0, 2.0], [0.0, 0.0], [3.0, -1.0])
            array([ 3., -1.])
        """
        wanted = ("hessian_product",)
        arguments = (prediction, target, weight, reduction, normalizer, empty, direction)
        return self._compute(wanted, *arguments)[0]

    def _answer(self, wanted: int, *given: Any) -> Any:
        """Return what a method is asked for, if that takes no closer look at NumPy arrays; else None.

        Args:
            wanted: the sum of 1 for the value, 2 for the gradient and 4 for the Hessian.
            given: what the method was given, and `out`.
        """
        return None

    def _value_of_tensors(
        self, prediction: Array, target: Array, weight: Array | None, reduction: str
    ) -> Array | None:
        """Return the value of eager tensors from one compiled pass that finds the gradient too, else None."""
        return None

    @abstractmethod
    def _compute(
        self,
        wanted: tuple[str, ...],
        prediction: Array,
        target: Array,
        weight: Array | None,
        reduction: str,
        normalizer: Any,
        empty: str,
        direction: Array | None = None,
        out: dict[str, Array | None] | None = None,
    ) -> tuple[Array, ...]:
        """Return the wanted quantities: "value", "gradient", "hessian" or "hessian_product"."""

    @abstractmethod
    def error(self, prediction: Array, target: Array) -> Array:
        """Return prediction - target, a vector, in the space where the loss compares them.

        Examples:
            >>> import amiss
            >>> amiss.SquaredError().error([-4.0, 3.0, 0.0, 7.0], [0, 1, 2, 3])
            array([-4.,  2., -2.,  4.])
        """

    @abstractmethod
    def total(self, prediction: Array, target: Array, weight: Array | None = None) -> Total:
        """Return the weighted sum and its weight; totals add, and their mean is exact.

        Examples:
            >>> import amiss
            >>> loss = amiss.AbsoluteError()
            >>> parts = loss.total([1.0], [0.0]) + loss.total([3.0, 5.0, 7.0], [0.0, 0.0, 0.0])
            >>> float(parts.mean)  # (1 + 3 + 5 + 7) / 4
            4.0
        """

    @abstractmethod
    def total_weight(self, target: Array, weight: Array | None = None) -> Array:
        """Return the divisor of the mean alone, before any forward pass.

        Whole-number targets of a row loss are taken for class indices.

        Examples:
            >>> import amiss
            >>> float(amiss.CrossEntropy(ignore_index=-100).total_weight([2, -100, 0]))
            2.0
        """

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """The claims about this loss, each of which a test checks."""

    @property
    def formula(self) -> Any:
        """The value of one item as a SymPy expression (extra `symbolic`)."""
        return self.expression("value")

    @abstractmethod
    def expression(self, quantity: str = "value") -> Any:
        """Return "value", "gradient" or "hessian" of one item as a SymPy expression."""

    def latex(self, quantity: str = "value") -> str:
        r"""Return "value", "gradient" or "hessian" of one item as LaTeX.

        Examples:
            >>> import amiss
            >>> amiss.SquaredError().latex()
            '\\left(\\hat{y} - y\\right)^{2}'
        """
        from amiss.core.formula import latex

        return latex(*self._reading(quantity))

    def _reading(self, quantity: str) -> tuple[Any, dict[Any, Any]]:
        """Return an expression that may name parts of itself, and what these names stand for."""
        return self.expression(quantity), {}

    def __mul__(self, factor: float) -> "Combination":
        from amiss.core.combination import Combination

        return Combination(((_coefficient(factor), self),))

    def __rmul__(self, factor: float) -> "Combination":
        return self * factor

    def __truediv__(self, divisor: float) -> "Combination":
        return self * (1.0 / _coefficient(divisor))

    def __neg__(self) -> "Combination":
        return self * -1.0

    def __add__(self, other: "Loss") -> "Combination":
        if not isinstance(other, Loss):
            return NotImplemented
        return 1.0 * self + 1.0 * other

    def __radd__(self, other: Any) -> "Loss":
        """Let the builtin `sum` of losses start from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: "Loss") -> "Combination":
        return self + -1.0 * other


def _coefficient(factor: Any) -> float:
    import math
    import numbers

    if isinstance(factor, bool) or not isinstance(factor, numbers.Real) or not math.isfinite(factor):
        raise ParameterError(
            f"A loss is multiplied by a finite Python number; got {factor!r}. "
            "Multiply the loss's value instead if the factor is an array."
        )
    return float(factor)
