"""Comparing results: paired tests, intervals and effect sizes over blocks of parallel queries."""
