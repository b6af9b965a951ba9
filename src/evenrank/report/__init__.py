"""Result folders in, tables and one self-contained HTML page out."""
