"""Knows `python -m fwlens`, which does what `fwlens` does."""

from fwlens.cli import main

main()
