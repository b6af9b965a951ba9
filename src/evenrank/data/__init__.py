"""Parallel corpora: items whose query and passage exist in one or more languages."""
