"""Explanations of a loss, in words and numbers."""

from amiss.core.baselines import Baseline, baseline
from amiss.explain.card import Card, card

__all__ = ["Baseline", "Card", "baseline", "card"]
