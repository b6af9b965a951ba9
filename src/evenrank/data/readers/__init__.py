"""Corpus readers, one file each: a reader recognises a form of source and streams its rows."""
