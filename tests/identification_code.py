"""Code that names no loss: a network as tutorials have it, and one as a class."""

from pathlib import Path

TUTORIAL = (Path(__file__).parent.parent / "docs" / "examples" / "network.py").read_text(encoding="utf-8")
CLASS = """
class Net:
    def __init__(self, n):
        self.w = np.random.randn(n, 1)

    def sigmoid(self, x):
        return 1.0 / (1.0 + np.exp(-x))

    def forward(self, x):
        self.z = x @ self.w
        self.a = self.sigmoid(self.z)
        return self.a

    def backward(self, x, y):
        m = y.shape[0]
        error = self.a - y          # prediction - target
        grad = x.T @ error / m
        self.w -= self.lr * grad
"""
