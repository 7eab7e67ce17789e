"""Tell malignant from benign with LightGBM: cross-entropy and focal loss, weighed rows, early stopping."""

import lightgbm
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import amiss
import amiss.lightgbm

table = load_breast_cancer()
x, y = table.data, table.target_names[table.target]  # labels are words
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=0)
x_train, x_valid, y_train, y_valid = train_test_split(x_train, y_train, test_size=0.3, random_state=0)
weight = np.where(y_train == "malignant", 3.0, 1.0)
chosen = {"num_leaves": 7, "learning_rate": 0.1}

# One call: labels, the initial score, weights and probabilities are taken care of.
for loss in (amiss.BinaryCrossEntropy(), amiss.BinaryFocal(gamma=1.0)):
    model = amiss.lightgbm.Classifier(loss, n_estimators=300, early_stopping_rounds=10, **chosen)
    model.fit(x_train, y_train, sample_weight=weight, eval_set=(x_valid, y_valid))
    accuracy, rounds = (model.predict(x_test) == y_test).mean(), model.booster_.best_iteration
    print(f"{type(loss).__name__}: accuracy {accuracy:.3f} after {rounds} rounds")

# LightGBM's own call: the same trees as with its own objective.
target = (y_train == "malignant").astype(float)
objective = amiss.lightgbm.objective(amiss.BinaryCrossEntropy())
quiet = {**chosen, "verbosity": -1}
data = lightgbm.Dataset(x_train, target, weight=weight, init_score=objective.start(target, weight))
ours = lightgbm.train({**quiet, **objective.parameters(target, weight)}, data, 50)
theirs = lightgbm.train(
    {**quiet, "objective": "binary"}, lightgbm.Dataset(x_train, target, weight=weight), 50
)
score = objective.initial_score(target, weight) + ours.predict(x_test)
difference = np.abs(objective.inverse_link(score) - theirs.predict(x_test)).max()
print(f"largest difference from binary: {difference:.1e}")
