"""Losses as PyTorch modules.

Every loss of the catalogue is here under its own name, and under the names of `torch.nn` that mean it, with
their arguments. `docs/totals.md` shows exact means over micro-batches and processes.

Examples:
    >>> import torch, amiss.torch
    >>> criterion = amiss.torch.Huber(delta=1.0)
    >>> prediction = torch.tensor([3.0, 0.5], requires_grad=True)
    >>> loss = criterion(prediction, torch.zeros(2))
    >>> loss.item()  # (1 * (3 - 1/2) + 0.5 ** 2 / 2) / 2
    1.3125
    >>> loss.backward()
    >>> prediction.grad  # clip(error, -1, 1) / 2
    tensor([0.5000, 0.2500])
    >>> amiss.torch.HuberLoss(reduction="sum", delta=1.0)(prediction, torch.zeros(2)).item()
    2.625
"""

from amiss.core.errors import BackendError

try:
    import torch  # noqa: F401 - what everything here stands on
except ImportError as error:
    raise BackendError(
        'amiss.torch: PyTorch must be installed; it is not. Install it: pip install "amiss[torch]"'
    ) from error

from amiss.torch.criterion import TWINS, Criterion
from amiss.torch.peers import PEERS, Peer
from amiss.torch.training import compute_loss, global_normalizer

globals().update(TWINS | PEERS)

__all__ = ["Criterion", "Peer", "compute_loss", "global_normalizer", *TWINS, *PEERS]  # noqa: PLE0604
