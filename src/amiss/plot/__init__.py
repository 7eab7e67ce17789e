"""Figures: plain arrays in, `ax` out. `curves` needs matplotlib, `terminal` nothing."""
