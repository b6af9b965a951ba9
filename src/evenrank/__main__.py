"""``python -m evenrank``."""

from evenrank.cli.app import main

main()
