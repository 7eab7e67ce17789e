"""A neural network from scratch, in NumPy, in which the loss enters in one visible line.

The line is in `training.py`. Read `layers.py` first, then `network.py`, `training.py` and `optimisers.py`.
"""

from amiss.network.layers import Dense
from amiss.network.network import Network
from amiss.network.optimisers import SGD, Adam
from amiss.network.training import History

__all__ = ["SGD", "Adam", "Dense", "History", "Network"]
