"""Train a network on handwritten digits with JAX and optax."""

import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import amiss.jax

x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = map(
    jnp.asarray, train_test_split((x / 16.0).astype("float32"), y, test_size=0.25, random_state=0)
)


def logits(weights, x):
    """Return one score per class."""
    return jax.nn.relu(x @ weights["hidden"] + weights["bias"]) @ weights["output"]


def loss(weights, x, y):
    """Return the mean over a batch."""
    return amiss.jax.softmax_cross_entropy_with_integer_labels(
        logits(weights, x), y, label_smoothing=0.05
    ).mean()


@jax.jit
def step(weights, state, batch):
    """Return weights and memory of the optimiser after one batch."""
    gradient = jax.grad(loss)(weights, x_train[batch], y_train[batch])
    updates, state = optimiser.update(gradient, state)
    return optax.apply_updates(weights, updates), state


one, two, order = jax.random.split(jax.random.key(0), 3)
weights = {
    "hidden": jax.random.normal(one, (64, 64)) * (2 / 64) ** 0.5,
    "bias": jnp.zeros(64),
    "output": jax.random.normal(two, (64, 10)) * (1 / 64) ** 0.5,
}
optimiser = optax.adam(1e-2)
state = optimiser.init(weights)
for epoch in range(5):
    shuffled = jax.random.permutation(jax.random.fold_in(order, epoch), len(x_train))
    for batch in shuffled[: len(shuffled) // 64 * 64].reshape(-1, 64):
        weights, state = step(weights, state, batch)

scores = logits(weights, x_test)
accuracy = (scores.argmax(1) == y_test).mean()
print(f"accuracy {accuracy:.3f}, cross-entropy {amiss.jax.mean('ce', scores, y_test):.3f}")
