"""A grid of training runs from one file: cells, their results, and a report with tests."""
