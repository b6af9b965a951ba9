"""Batch strategies: which query is paired with which passage at each step."""
