"""Explanations of a loss, in words and numbers."""

from amiss.explain.card import Card, card

__all__ = ["Card", "card"]
