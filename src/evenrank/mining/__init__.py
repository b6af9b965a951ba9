"""Hard negatives for a corpus, found by an exact search."""
