"""Benchmarks: queries, passages in several languages, and which passages are relevant."""
