"""Losses as Keras expects them, on its TensorFlow, JAX and PyTorch backends; in `metrics` as metrics.

Every loss of the catalogue is here under its own name; and every loss of Keras that one corresponds to, by
Keras' name with Keras' arguments: `BinaryCrossentropy(from_logits=False)` beside
`BinaryCrossEntropy(input="logits")`. A class that bears the name of one of Keras' own takes what that takes:
`Poisson` rates, `KLDivergence` and `Dice` probabilities. `BinaryCrossentropy` and its kin clip at 1e-7.

Give an instance to `compile`, as in `model.compile("adam", loss=amiss.keras.Huber(2.0))`: Keras looks up
strings among its own losses only. A saved model loads where `amiss.keras` is imported, all parameters kept.

Examples:
    >>> import amiss.keras
    >>> float(amiss.keras.Huber(delta=2.0)([[0.0, 0.0]], [[3.0, 0.5]]))  # (2 * (3 - 1) + 0.125) / 2
    2.0625
    >>> round(float(amiss.keras.BinaryCrossentropy()([[1.0]], [[0.25]])), 6)  # log 4, of a probability
    1.386294
"""

try:
    import keras as _keras  # noqa: F401 - Keras itself, not this package
except ModuleNotFoundError as error:
    from amiss.core.errors import BackendError

    raise BackendError(
        f"amiss.keras: Keras and its backend must be installed; {str(error.name).partition('.')[0]} is not. "
        'pip install "amiss[keras]" brings Keras with TensorFlow; KERAS_BACKEND chooses another backend.'
    ) from error

from amiss.keras.losses import losses as _losses

_made = _losses()
globals().update(_made)

from amiss.keras import metrics  # noqa: E402 - its classes are made of those above

__all__ = ["metrics", *_made]  # noqa: PLE0604 - names, partly computed
