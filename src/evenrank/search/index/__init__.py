"""The index: a folder with passages, their vectors and the correction of a model."""
