"""Choosing a correction of language bias and its strength: what each one gains and costs."""
