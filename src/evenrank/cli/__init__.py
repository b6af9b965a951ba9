"""The command line: thin, on top of functions of the same names."""
