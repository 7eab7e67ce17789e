"""The network: layers, the numbers they work with, and the way through them in both directions."""

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from numbers import Real

import numpy as np

from amiss import kernels
from amiss.core.errors import DomainError, DTypeError, ParameterError, ShapeError
from amiss.kernels.products import product
from amiss.network import storage, training
from amiss.network.layers import Dense

__all__ = ["Network"]

CHUNK = 4096  # rows that `predict` takes at once


class Network:
    """A stack of dense layers that learns by gradient descent.

    Args:
        layers: `Dense` layers from input to output; each takes as many inputs as the one before has outputs.
        seed: Fixes the first weights and the order of the batches, whatever the loss; None draws one.
        dtype: "float32" or "float64".
        scale: What x is multiplied by on its way in: 1 / 255 for pixels of 8 bits, which stay that small.

    Attributes:
        layers, seed, dtype, scale: As given.
        parameters: All weights in one flat buffer, so that an optimiser needs a few long operations only.
        epochs: The epochs learnt so far. With the seed, this fixes the order of the batches in the next.
        history: The `History` of the last `fit`, also of one that an exception ended; None before.

    Shapes:
        x: (items, inputs). output: (items, outputs).

    Raises:
        ParameterError: An argument is not one of those allowed.
        ShapeError: Two layers do not fit together.

    Source:
        Rumelhart, Hinton and Williams (1986), Nature 323, 533-536, doi:10.1038/323533a0.

    Examples:
        >>> network = Network([Dense(2, 1)])
        >>> network.weights = [[[3.0], [4.0]], [-1.0]]
        >>> network.predict([[1.0, 2.0]])  # 1 * 3 + 2 * 4 - 1
        array([[10.]], dtype=float32)
    """

    def __init__(self, layers: Iterable[Dense], seed: int | None = None, dtype="float32", scale=1.0):
        self.layers = tuple(layers)
        if not self.layers or not all(isinstance(layer, Dense) for layer in self.layers):
            raise ParameterError(f"Network: layers must be one Dense or more; got {self.layers}.")
        for below, above in zip(self.layers, self.layers[1:], strict=False):
            if below.outputs != above.inputs:
                reason = f"got {below} below {above}. Give the upper one {below.outputs} inputs."
                raise ShapeError(f"Network: layers must fit together; {reason}")
        if isinstance(seed, bool) or not (seed is None or (isinstance(seed, int | np.integer) and seed >= 0)):
            raise ParameterError(f"Network: seed must be None or an integer of 0 or more; got {seed!r}.")
        if dtype not in ("float32", "float64", np.float32, np.float64):
            raise ParameterError(f"Network: dtype must be 'float32' or 'float64'; got {dtype!r}.")
        if not isinstance(scale, Real) or not (math.isfinite(scale) and scale != 0):
            raise ParameterError(f"Network: scale must be a finite number other than 0; got {scale!r}.")
        self.scale = float(scale)
        self.seed = int(np.random.SeedSequence(seed).entropy)
        self.dtype = np.dtype(dtype).name
        self.epochs = 0
        self.history: training.History | None = None
        ends = list(accumulate(layer.size for layer in self.layers))
        self._parts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        self.parameters = np.zeros(ends[-1], self.dtype)
        rng = np.random.default_rng(self.seed)
        for layer, (weight, *_) in zip(self.layers, self.split(self.parameters), strict=True):
            weight[:] = layer.initial_weight(rng)

    fit = training.fit
    save = storage.save
    load = classmethod(storage.load)

    def __repr__(self) -> str:
        scale = "" if self.scale == 1.0 else f", scale={self.scale}"
        return f"Network({list(self.layers)}, seed={self.seed}, dtype={self.dtype!r}{scale})"

    def split(self, buffer: np.ndarray) -> list[list[np.ndarray]]:
        """Return, for each layer, its [W, b] or [W]: views into a flat buffer of all parameters."""
        return [layer.split(buffer[part]) for layer, part in zip(self.layers, self._parts, strict=True)]

    @property
    def weights(self) -> list[np.ndarray]:
        """Copies of [W1, b1, W2, ...]; a layer without bias has no b. Assign such a list to set them."""
        return [view.copy() for views in self.split(self.parameters) for view in views]

    @weights.setter
    def weights(self, arrays: Sequence[np.ndarray]) -> None:
        views = [view for views in self.split(self.parameters) for view in views]
        expected, given = [view.shape for view in views], [np.shape(array) for array in arrays]
        if given != expected:
            raise ShapeError(f"Network: weights must have the shapes {expected}; got {given}.")
        for view, array in zip(views, arrays, strict=True):
            view[:] = array

    def check(self, x: np.ndarray) -> np.ndarray:
        """Return x as an array, of its own dtype, or say why it is not data for this network."""
        x, inputs = np.asarray(x), self.layers[0].inputs
        if x.ndim != 2 or x.shape[1] != inputs:
            raise ShapeError(
                f"Network: x must have shape (items, {inputs}); got {x.shape}. "
                "Images, for example, are flattened by x.reshape(len(x), -1)."
            )
        if x.dtype.kind not in "fiub":
            raise DTypeError(
                f"Network: x must hold real numbers; got {x.dtype}. Convert it with x.astype(float)."
            )
        return x

    def forward(self, x: np.ndarray, rows: np.ndarray | None = None) -> list[np.ndarray]:
        """Return x and what each layer makes of it: [x, a1, ..., output], each of shape (items, width).

        Args:
            x: As the network was given it; it comes out in the network's dtype and scale.
            rows: The items to take, all of them if None.
        """
        activations = [kernels.gather(self.check(x), rows, self.scale, self.dtype)]
        for layer, parameters in zip(self.layers, self.split(self.parameters), strict=True):
            activations.append(layer.forward(activations[-1], *parameters))
        return activations

    def backward(
        self, activations: list, delta: np.ndarray, out: list[list[np.ndarray]] | None = None
    ) -> list[np.ndarray]:
        """Carry `delta` back to every weight by the chain rule, in which no loss occurs.

        Args:
            activations: What `forward` returned.
            delta: The derivative of a loss by the output, of the output's shape, else `ShapeError`.
            out: What takes the gradient: a flat buffer, `split`.

        Returns:
            The gradient, in the order and the shapes of `weights`.
        """
        delta = np.asarray(delta, self.dtype)
        if delta.shape != activations[-1].shape:
            raise ShapeError(f"Network: delta must have shape {activations[-1].shape}; got {delta.shape}.")
        gradient = self.split(np.empty_like(self.parameters)) if out is None else out
        parameters = self.split(self.parameters)
        for n in reversed(range(len(self.layers))):
            delta = self.layers[n].backward(delta, activations[n], activations[n + 1], out=gradient[n])
            if n > 0:  # the gradient by the data is of no use
                delta = product(delta, parameters[n][0].T)
        return [view for views in gradient for view in views]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the output for each row of x, of shape (items, outputs)."""
        x = self.check(x)
        output = np.empty((len(x), self.layers[-1].outputs), self.dtype)
        for start in range(0, len(x), CHUNK):
            output[start : start + CHUNK] = self.forward(x[start : start + CHUNK])[-1]
        return output

    def predict_classes(self, x: np.ndarray) -> np.ndarray:
        """Return the class of each row of x: the largest output, or, of one output, what `fit` says."""
        return self._classes(self.predict(x))

    def accuracy(self, output: np.ndarray, target: np.ndarray) -> float:
        """Return the share of rows whose output says the target's class: index, one-hot, 0 and 1, or ±1."""
        single = output.shape[1] == 1
        if target.shape == output.shape:
            target = target[:, 0] if single else target.argmax(axis=1)
        if target.shape != output.shape[:1]:
            raise ShapeError(f"Network: accuracy must have a class per item; got {target.shape}. Drop it.")
        if single and not np.isin(target, (-1, 0, 1)).all():
            raise DomainError("Network: accuracy must have classes 0, 1 or -1, 1; got others. Drop it.")
        return float(np.mean(self._classes(output) == (target > 0 if single else target)))

    def _classes(self, output: np.ndarray) -> np.ndarray:
        if output.shape[1] == 1:
            return (output[:, 0] > (0.5 if self.layers[-1].activation == "sigmoid" else 0)).astype(int)
        return output.argmax(axis=1)

    def summary(self) -> str:
        """Return a table of the layers, for printing; 52 columns wide.

        Examples:
            >>> print(Network([Dense(784, 128, "relu"), Dense(128, 10)]).summary())
            layer  activation  shape             parameters
            -----------------------------------------------
            Dense  relu        784 -> 128           100,480
            Dense  identity    128 -> 10              1,290
            -----------------------------------------------
            total              float32              101,770
        """
        rows = [("layer", "activation", "shape", "parameters")]
        rows += [("Dense", n.activation, f"{n.inputs} -> {n.outputs}", f"{n.size:,}") for n in self.layers]
        rows += [("total", "", self.dtype, f"{self.parameters.size:,}")]
        lines = ["{:6} {:11} {:16} {:>11}".format(*row) for row in rows]
        return "\n".join([lines[0], "-" * 47, *lines[1:-1], "-" * 47, lines[-1]])
