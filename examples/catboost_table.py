"""Tell three wines apart with CatBoost, and predict their alcohol with a loss that resists outliers."""

import catboost
import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

import amiss
import amiss.catboost

table = load_wine()
x, y = table.data, table.target_names[table.target]  # labels are words
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=0)
chosen = {"depth": 3, "learning_rate": 0.3, "thread_count": 2, "random_seed": 0}

# One call: labels, the initial score and probabilities are taken care of.
model = amiss.catboost.Classifier(amiss.CrossEntropy(), n_estimators=30, **chosen).fit(x_train, y_train)
likelihood = model.predict_proba(x_test)[np.arange(len(y_test)), np.searchsorted(model.classes_, y_test)]
accuracy = (model.predict(x_test) == y_test).mean()
print(f"CrossEntropy: accuracy {accuracy:.3f}, cross-entropy {-np.log(likelihood).mean():.3f}")

alcohol = amiss.catboost.Regressor(amiss.LogCosh(), n_estimators=50, **chosen)
error = alcohol.fit(x_train[:, 1:], x_train[:, 0]).predict(x_test[:, 1:]) - x_test[:, 0]
print(f"LogCosh: mean absolute error {np.abs(error).mean():.2f} of {x_test[:, 0].std():.2f}")

# CatBoost's own call: the same trees as with its own objective.
loss = amiss.SquaredError()
objective, metric = amiss.catboost.objective(loss), amiss.catboost.metric(loss)
start = np.full(len(x_train), objective.initial_score(x_train[:, 0]))
data = catboost.Pool(x_train[:, 1:], x_train[:, 0], baseline=start)
plain = {**chosen, "iterations": 50, "allow_writing_files": False, "logging_level": "Silent"}
ours = catboost.CatBoost({**plain, "loss_function": objective, "eval_metric": metric}).fit(data)
theirs = catboost.CatBoost({**plain, "loss_function": "RMSE"}).fit(data)
difference = np.abs(ours.predict(x_test[:, 1:]) - theirs.predict(x_test[:, 1:])).max()
print(f"largest difference from RMSE: {difference:.1e}")
