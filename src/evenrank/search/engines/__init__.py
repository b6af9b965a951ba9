"""Engines: vector search within each language."""
