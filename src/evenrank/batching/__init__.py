"""Batch strategies: which query meets which passage, step by step."""
