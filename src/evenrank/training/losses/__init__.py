"""Losses for batches with groups of relevant passages, and losses that are added to InfoNCE."""
