"""Codings of targets."""

from amiss.arrays import Array, is_array, namespace_of
from amiss.core.checking import first_bad, inspects
from amiss.core.errors import DTypeError, ParameterError

__all__ = ["one_hot"]


def one_hot(target: Array, classes: int) -> Array:
    """Return rows of 0 with a 1 at each class index.

    Args:
        target: whole numbers in 0..classes-1, of any shape.
        classes: the number of classes K.

    Shapes:
        result: (..., K) for a target of shape (...), in the library's default floating dtype.

    Raises:
        DTypeError: the target does not hold whole numbers.
        DomainError: an index is out of range, where values can be seen; elsewhere its row is 0.

    Examples:
        >>> one_hot([2, 0], 3)
        array([[0., 0., 1.],
               [1., 0., 0.]])
    """
    import numpy as np

    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
        raise ParameterError(f"one_hot: classes must be a whole number of at least 1; got {classes!r}.")
    if not is_array(target):
        target = np.asarray(target)
    xp = namespace_of(target)
    if xp.kind(target) != "integral":
        raise DTypeError(
            f"one_hot: target must hold whole numbers; got dtype {target.dtype}. Convert it first."
        )
    index = xp.index(target)
    inside = (index >= 0) & (index < classes)
    if inspects(xp, inside):
        first_bad(xp, "one_hot", "target", f"a class index in 0..{classes - 1}", index, inside)
    return namespace_of(xp.zeros(target)).one_hot(index, classes)
