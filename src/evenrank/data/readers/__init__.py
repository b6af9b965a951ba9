"""Corpus readers, one file each: every one recognises a form of source and streams its rows."""
