"""Retrievers that rank the same answer equally well in whichever language it is written."""
