"""Predict how diabetes goes on with XGBoost: the mean, the median, and what 9 of 10 stay below."""

import numpy as np
import xgboost
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

import amiss
import amiss.xgboost

x, y = load_diabetes(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=0)
chosen = {"max_depth": 2, "learning_rate": 0.1}

# One call: the initial score, the Hessian and the link are taken care of.
for loss in (amiss.SquaredError(), amiss.AbsoluteError(), amiss.Pinball(0.9)):
    model = amiss.xgboost.Regressor(loss, n_estimators=60, hessian="gauss_newton", **chosen)
    predicted = model.fit(x_train, y_train).predict(x_test)
    absolute, below = np.abs(predicted - y_test).mean(), (y_test <= predicted).mean()
    print(f"{type(loss).__name__}: mean absolute error {absolute:.1f}, below the prediction {below:.2f}")

# XGBoost's own call: the same trees as with its own objective.
objective = amiss.xgboost.objective(amiss.SquaredError())
train, test = xgboost.DMatrix(x_train, y_train), xgboost.DMatrix(x_test)
ours = xgboost.train({**objective.parameters(y_train), **chosen}, train, 60, obj=objective)
theirs = xgboost.train({"objective": "reg:squarederror", **chosen}, train, 60)
difference = np.abs(ours.predict(test, output_margin=True) - theirs.predict(test)).max()
print(f"largest difference from reg:squarederror: {difference:.1e}")
