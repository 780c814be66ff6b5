"""Writes the built-in pages as they are read (`compiled`), after one of them was edited: `python -m fwlens.catalog`."""

from fwlens.catalog.compiled import COMPILED, compiled, texts

COMPILED.write_bytes(compiled(texts()))
