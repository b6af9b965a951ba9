"""Measures of ranking quality and of language bias, as pure functions of ranks."""
