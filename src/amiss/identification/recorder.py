"""The recorder of code: products of matrices, sums over items, and activations that are written out."""

from typing import Any

from amiss.arrays.recorded import Node
from amiss.authoring.recording import Recorder

__all__ = ["CodeRecorder"]


class CodeRecorder(Recorder):
    """Records products of matrices and sums too, and knows the softmax when it is written out."""

    def record(self, operation: str, *operands: Any) -> Any:
        """Return the node of an operation."""
        if operation == "div" and (logits := self._softmax_of(*operands)) is not None:
            return self.record("softmax", logits)
        if operation == "div" and _is(operands[0], "exp") and _is(operands[1], "add"):
            grown, (a, b) = operands[0], operands[1].operands
            if (a is grown and _is_one(b)) or (b is grown and _is_one(a)):
                return self.sigmoid(grown.operands[0])  # exp(z) / (1 + exp(z))
        if operation == "exp" and (logits := self._log_softmax_of(*operands)) is not None:
            return self.record("softmax", logits)
        if operation == "maximum" and any(isinstance(x, int | float) and x == 0 for x in operands):
            return self.relu(next(x for x in operands if isinstance(x, Node)))
        return super().record(operation, *operands)

    def _careful(self, operation: str, operands: tuple[Any, ...]) -> Any:
        """Keep what the code wrote, so that an activation stays in sight; know the sigmoid only."""
        x, y = (*operands, None, None)[:2]
        if operation == "div" and _is_one(x) and _is(y, "add"):
            for a, b in (y.operands, reversed(y.operands)):
                if _is_one(a) and _is(b, "exp"):
                    return self.sigmoid(-b.operands[0])
        return None

    def _log_softmax_of(self, x: Any) -> Any:
        """Return z of z - log(sum(exp(z))), and of log(softmax(z)), else None."""
        if _is(x, "log") and _is(x.operands[0], "softmax"):
            return x.operands[0].operands[0]
        if not (_is(x, "sub") and _is(x.operands[1], "log") and _is(x.operands[1].operands[0], "sum")):
            return None
        grown = x.operands[1].operands[0].operands[0]
        return (
            self._softmax_of(grown, x.operands[1].operands[0])
            if _is(grown, "exp") and grown.operands[0] is x.operands[0]
            else None
        )

    def _softmax_of(self, above: Any, below: Any) -> Any:
        """Return z of exp(z) / sum(exp(z)), with or without the largest of z taken off, else None."""
        if not (_is(above, "exp") and _is(below, "sum") and below.operands[0] is above):
            return None
        inner = above.operands[0]
        if (
            _is(inner, "sub")
            and _is(inner.operands[1], "max")
            and inner.operands[1].operands[0] is inner.operands[0]
        ):
            return inner.operands[0]
        return inner


def _is(x: Any, operation: str) -> bool:
    return isinstance(x, Node) and x.operation == operation


def _is_one(x: Any) -> bool:
    return isinstance(x, int | float) and x == 1.0
