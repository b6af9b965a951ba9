"""Exact ranks of every relevant passage in every pool of languages, from one pass."""
