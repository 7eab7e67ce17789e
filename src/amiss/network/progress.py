"""What a person sees while a network learns: a bar on a terminal, a line per epoch elsewhere."""

import sys
import time
from typing import Self

__all__ = ["Progress"]


class Progress:
    """Shows on standard error how far a run has come; see `progress` in `fit` for what `show` means."""

    def __init__(self, show: bool | str | None, epochs: int, batches: int):
        self.epochs, self.done, self.drawn, self.bar = epochs, 0, 0.0, None
        self.lines = show is True and not sys.stderr.isatty()
        if show and sys.stderr.isatty():
            from rich import console, progress

            self.bar = progress.Progress(console=console.Console(stderr=True))
            self.task = self.bar.add_task("epoch 1", total=epochs * batches)

    def __enter__(self) -> Self:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()

    def batch(self) -> None:
        """Count a finished batch; redraw ten times a second at most."""
        self.done += 1
        if self.bar and time.perf_counter() > self.drawn + 0.1:
            self.drawn = time.perf_counter()
            self.bar.update(self.task, completed=self.done)

    def epoch(self, epoch: int, history: dict[str, list[float]]) -> None:
        """Tell the numbers of a finished epoch."""
        text = "  ".join(f"{name} {values[-1]:.4g}" for name, values in history.items())
        if self.bar:
            text = f"epoch {epoch}  loss {history['loss'][-1]:.4g}"
            self.bar.update(self.task, completed=self.done, description=text)
        elif self.lines:
            print(f"epoch {epoch}/{self.epochs}  {text}", file=sys.stderr, flush=True)
