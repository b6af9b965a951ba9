"""Policies: from the lists of each language to one ranking. One file each."""
