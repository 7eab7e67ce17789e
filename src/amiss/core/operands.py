"""From what the caller of a linear layer's loss gave to operands and labels that fit together."""

from typing import Any

from amiss.arrays import Array, is_array
from amiss.core.bases import both
from amiss.core.checking import first_bad, inspects
from amiss.core.classes import check_classes
from amiss.core.errors import BackendError, DTypeError, ParameterError, ShapeError
from amiss.core.inputs import Batch, convert, dtype_name, expand_weight, open_floating, same_shape

__all__ = ["open_operands"]

Operands = tuple[Array, Array, Array | None]


def open_operands(
    owner: str,
    hidden: Array,
    weight: Array,
    target: Array,
    bias: Array | None,
    sample_weight: Array | None,
    ignored: int | None,
    class_weight: tuple[float, ...] | None,
) -> tuple[Batch, Array, Operands]:
    """Return the labels and who counts how much, an array with one entry per item, and the operands.

    Raises:
        BackendError: an array is of a library without writable arrays, or of another than `hidden`.
        DTypeError: an operand is not of the dtype of `hidden`, or the target holds no whole numbers.
        ShapeError: the shapes do not fit; nothing is ever broadcast.
        DomainError: a label is no class, or a weight is NaN.
        ParameterError: a sample weight asks for a gradient.
    """
    if _library_is(hidden, ("jax", "tensorflow")):
        raise BackendError(
            f"{owner}: hidden must be a NumPy or PyTorch array, or a list; got one of "
            f"{type(hidden).__module__.partition('.')[0]}. There compute the logits, and give them to "
            "CrossEntropy."
        )
    xp, hidden, dtype = open_floating(owner, "hidden", hidden)
    shape = tuple(hidden.shape)
    if not shape or shape[-1] == 0:
        raise ShapeError(f"{owner}: hidden must have at least one number per row; got shape {shape}.")
    weight = _operand(xp, owner, "weight", weight, dtype)
    if len(weight.shape) != 2 or weight.shape[0] == 0 or weight.shape[1] != shape[-1]:
        raise ShapeError(
            f"{owner}: weight must have shape (classes, {shape[-1]}) for a hidden of shape {shape}; "
            f"got {tuple(weight.shape)}. It is laid out as that of a linear layer: one row per class."
        )
    classes = weight.shape[0]
    check_classes(owner, class_weight, classes)
    if bias is not None:
        bias = _operand(xp, owner, "bias", bias, dtype)
        if tuple(bias.shape) != (classes,):
            raise ShapeError(
                f"{owner}: bias must have shape {(classes,)}, one number per class; got {tuple(bias.shape)}. "
                "Reshape it; amiss never broadcasts."
            )
    items = xp.cast(hidden[..., 0])
    batch = Batch(xp, items, _labels(xp, owner, target, shape, classes), dtype=dtype)
    if sample_weight is not None:
        if getattr(sample_weight, "requires_grad", False):
            raise ParameterError(
                f"{owner}: sample_weight must be a constant; got a tensor that requires a gradient. Give its "
                '.detach(), or multiply the items of reduction="none" by it.'
            )
        batch.weight = expand_weight(xp, owner, sample_weight, items, "sample_weight")
        batch.counted = batch.weight != 0.0
    _check_labels(batch, owner, classes, ignored)
    if class_weight is not None:
        batch.mass = xp.row(class_weight, items)[batch.target]
    if xp.library == "numpy":  # whose half precision has no fast products
        hidden, weight, bias = xp.cast(hidden), xp.cast(weight), None if bias is None else xp.cast(bias)
    return batch, items, (hidden, weight, bias)


def _library_is(x: Any, names: tuple[str, ...]) -> bool:
    return is_array(x) and any(
        type(x).__module__.partition(".")[0].startswith(name) for name in (*names, "jaxlib")
    )


def _operand(xp: Any, owner: str, argument: str, x: Any, dtype: Any) -> Array:
    """Return an operand, which must be of a dtype unless it is a list or of whole numbers."""
    as_it_is = is_array(x)
    x = convert(xp, owner, argument, x, "hidden")
    if as_it_is and xp.kind(x) == "floating" and x.dtype != dtype:
        raise DTypeError(
            f"{owner}: {argument} must have the dtype of hidden, {str(dtype).removeprefix('torch.')}; "
            f"got {dtype_name(x)}. Convert one of them."
        )
    return xp.astype(x, dtype)


def _labels(xp: Any, owner: str, target: Array, shape: tuple[int, ...], classes: int) -> Array:
    index = convert(xp, owner, "target", target, "hidden")
    got, items = xp.shape(index), shape[:-1]
    if same_shape(got, (*items, classes)):
        raise ShapeError(
            f"{owner}: target must hold class indices, of shape {items}; got shape {got}, as of one "
            "probability per class. For these compute the logits, and give them to CrossEntropy."
        )
    if not same_shape(got, items):
        raise ShapeError(
            f"{owner}: target must have shape {items} for a hidden of shape {shape}; got {got}. Reshape it; "
            "amiss never broadcasts."
        )
    if xp.kind(index) != "integral":
        raise DTypeError(
            f"{owner}: target must hold class indices, whole numbers; got dtype {dtype_name(index)}. Convert "
            "it to an integer dtype."
        )
    return xp.index(index)


def _check_labels(batch: Batch, owner: str, classes: int, ignored: int | None) -> None:
    """Check the labels where they can be seen; make harmless those that do not count or are no class."""
    xp, index = batch.xp, batch.target
    if ignored is not None:
        batch.counted = both(batch.counted, index != ignored)
    inside = (index >= 0) & (index < classes)
    allowed = inside if batch.counted is None else inside | ~batch.counted
    if inspects(xp, allowed):
        remedy = "" if ignored is not None else "To leave items out, construct with ignore_index=."
        first_bad(xp, owner, "target", f"a class index in 0..{classes - 1}", index, allowed, remedy)
    else:
        batch.valid = allowed
    batch.target = xp.zero_unless(inside, index)
