"""A loss of one's own: read from an expression, derived, measured, compiled."""
