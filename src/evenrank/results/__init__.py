"""Results: what an evaluation leaves behind, how it is read again, and its tables."""
