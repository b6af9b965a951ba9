"""Benchmarks: queries, a collection in several languages, and which passages are relevant."""
