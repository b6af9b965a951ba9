"""Layouts of rows that other tools and data sets use, one file each, turned into our fields."""
