"""Exact means in training: over micro-batches, over processes, and in the Trainer of Hugging Face."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch

from amiss.core import Loss
from amiss.core.errors import ParameterError, ShapeError
from amiss.naming import get
from amiss.torch.criterion import Criterion
from amiss.torch.peers import Peer

__all__ = ["compute_loss", "global_normalizer"]


def global_normalizer(
    loss: Loss | Criterion | Peer,
    target: torch.Tensor | Sequence[torch.Tensor],
    weight: torch.Tensor | Sequence[torch.Tensor] | None = None,
    group: Any = None,
    averaged: bool = True,
) -> torch.Tensor:
    """Return the divisor that makes one step's gradient that of all its items, wherever they lie.

    It is known before any forward pass: the sum of `loss.total_weight` over the micro-batches of the step and
    over the processes. Give it to every call of the loss in this step as `normalizer=`, and add up.

    Args:
        loss: a loss, or a module that holds one.
        target: of this process: one tensor, or a list with one for each micro-batch of the step. Processes
            exchange numbers on its device, which for NCCL is a GPU.
        weight: the weights of the items, likewise.
        group: the processes; None stands for all, or for this one alone where there are no others.
        averaged: whether gradients will be averaged over the processes, as DistributedDataParallel and FSDP
            do; the sum of weights is then divided by the number of processes.

    Returns:
        One number, float64.

    Raises:
        ParameterError: the loss has no divisor of its own, such as a sum of several losses.
        ShapeError: targets and weights are not paired.

    Examples:
        >>> import amiss
        >>> loss = amiss.CrossEntropy(ignore_index=-100)
        >>> micro_batches = [torch.tensor([2, -100, -100]), torch.tensor([1, 0, -100])]
        >>> global_normalizer(loss, micro_batches).item()  # 1 + 2 labels count
        3.0
    """
    loss = loss.loss if isinstance(loss, Criterion | Peer) else loss
    targets = [target] if isinstance(target, torch.Tensor) else list(target)
    weights = [weight] * len(targets) if weight is None or isinstance(weight, torch.Tensor) else list(weight)
    if len(weights) != len(targets) or (isinstance(weight, torch.Tensor) and len(targets) != 1):
        raise ShapeError(
            f"global_normalizer: weight must be a list with one for each of {len(targets)} targets; "
            f"got {'one tensor' if isinstance(weight, torch.Tensor) else len(weights)}. Pair them."
        )
    device = targets[0].device if targets else torch.device("cpu")
    # Whole numbers count exactly in float64, which tensors of class indices would not be summed in.
    own = sum(float(loss.total_weight(_host(t), _host(w))) for t, w in zip(targets, weights, strict=True))
    total = torch.tensor(own, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(total, group=group)
        if averaged:
            total /= torch.distributed.get_world_size(group)
    return total


def compute_loss(loss: Loss | str, shift: bool = False) -> Callable[..., torch.Tensor]:
    """Return a loss as the function that `transformers.Trainer` takes as `compute_loss_func`.

    The Trainer counts the labels of all micro-batches of a step and passes their number, which divides the
    sum: the mean is exact under gradient accumulation, however unevenly labels are spread. Where it passes no
    number, the mean is that of the batch.

    Args:
        loss: a loss or a spelling of one. Labels are -100 where there is none: give a loss over classes
            `ignore_index=-100`. The Trainer's number counts labels, also where classes have weights.
        shift: whether position t predicts the label at t + 1, as in causal language models.

    Raises:
        ParameterError: the loss has no `ignore_index` for the last position of a shifted row; no labels came.

    Examples:
        >>> import amiss
        >>> causal = compute_loss(amiss.CrossEntropy(ignore_index=-100), shift=True)
        >>> logits, labels = torch.zeros(1, 3, 4), torch.tensor([[0, 2, -100]])
        >>> round(causal({"logits": logits}, labels).item(), 6)  # log 4, of the label 2 alone
        1.386294
        >>> round(causal({"logits": logits}, labels, num_items_in_batch=2).item(), 6)
        0.693147
    """
    loss = get(loss)
    if hasattr(loss, "axis"):
        loss = dataclasses.replace(loss, axis=-1)
    ignored = getattr(loss, "ignore_index", None)
    if shift and ignored is None:
        raise ParameterError(
            f"compute_loss: a loss of shifted labels must have an ignore_index; got {loss!r}. Construct it "
            "with ignore_index=-100."
        )

    def function(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        if labels is None:
            raise ParameterError(
                "compute_loss: labels must come with the batch; got None. The collator calls them 'labels'."
            )
        logits = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
        if shift:
            labels = torch.nn.functional.pad(labels[..., 1:], (0, 1), value=ignored)
        if labels.shape == logits.shape[:-1]:
            if not labels.is_floating_point():
                logits, labels = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
            elif logits.shape[-1] == 1:  # one number per item, as models of regression return
                logits = logits[..., 0]
        return loss(logits, labels, normalizer=num_items_in_batch)

    return function


def _host(x: torch.Tensor | None) -> Any:
    """Return a tensor as a NumPy array, floating-point numbers as float64."""
    if x is None:
        return None
    x = x.detach().cpu()
    return (x.double() if x.is_floating_point() else x).numpy()
