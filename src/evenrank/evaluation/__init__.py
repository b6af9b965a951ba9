"""One model on one benchmark: every pool, every measure, one result folder."""
