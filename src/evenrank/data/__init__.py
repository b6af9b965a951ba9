"""Parallel corpora: items whose question and answer passage exist in one or more languages."""
