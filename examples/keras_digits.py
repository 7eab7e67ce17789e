"""Train a network on handwritten digits with Keras; KERAS_BACKEND=jax (or torch) chooses the backend."""

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import amiss.keras

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x / 16.0, y, test_size=0.25, random_state=0)

model = keras.Sequential(
    [
        keras.layers.Input((64,)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(1e-2),
    loss=amiss.keras.CrossEntropy(label_smoothing=0.05),
    metrics=["accuracy", amiss.keras.metrics.CrossEntropy()],
)
model.fit(x_train, y_train, batch_size=64, epochs=5, verbose=0)

model.save("digits.keras")
again = keras.models.load_model("digits.keras")
_, accuracy, cross_entropy = again.evaluate(x_test, y_test, verbose=0)
print(f"{keras.backend.backend()}: accuracy {accuracy:.3f}, cross-entropy {cross_entropy:.3f}, {again.loss}")
