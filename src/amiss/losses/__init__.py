"""The catalogue: one file per family of losses, formulas only.

A loss is registered by being defined in a module of this folder; nothing else lists it. A module whose name
starts with an underscore is no family: it holds what families share.
"""

import importlib
import pkgutil

from amiss.core import Loss

FAMILIES: dict[str, tuple[type[Loss], ...]] = {}
"""The loss classes of each family, in the order in which they are defined."""

for _module in sorted(name for _, name, _ in pkgutil.iter_modules(__path__) if not name.startswith("_")):
    FAMILIES[_module] = tuple(
        value
        for value in vars(importlib.import_module(f"{__name__}.{_module}")).values()
        if isinstance(value, type) and issubclass(value, Loss) and value.__module__ == f"{__name__}.{_module}"
    )
globals().update({loss.__name__: loss for family in FAMILIES.values() for loss in family})

__all__ = [loss.__name__ for family in FAMILIES.values() for loss in family]
