"""Knows what keeps a store from being read or written, as a sentence with the place and the way out.

The texts of storage libraries are for those who wrote them, and may quote requests: what they are about is told in our
words, and of all others as little as possible.
"""

import re
from typing import Final, Literal

from fwlens.errors import one_line

Verb = Literal["read", "write"]
_DONE: Final = {"read": "read", "write": "written"}
_FULL: Final = ("os error 28", "os error 27", "os error 122")
_MISSING: Final = ("not found", "No such file", "os error 2")
_COLOURS: Final = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")  # of a terminal
_NO_PARQUET: Final = "magic bytes not found"
_DAMAGED: Final = ("Json error", "Parquet", "Thrift", "thrift")
_FILE: Final = re.compile(r"(?:part-|\d{10,}\.)[\w.-]{0,120}")
_WITHOUT: Final = {
    "flows": "the next night reads the look-back anew",
    "recommendations": "earlier runs are told without their rules",
    "runs": "every need is new to the next night",
}
"""What follows where a table is not there any more."""


def sentence(uri: str, table: str, verb: Verb, error: Exception) -> str:
    """What went wrong with a table of a store. Damage is told as what cannot be read, also where a commit finds it."""
    text = _COLOURS.sub("", str(error))
    if any(mark in text for mark in _FULL):
        return f"{uri}: the store cannot be {_DONE[verb]} (No space left on device)."
    file = _FILE.search(text)
    harm = ""
    if file and any(mark in text for mark in _MISSING) and _NO_PARQUET not in text:
        harm = f"{file[0]} is missing"
    elif any(mark in text for mark in _DAMAGED):
        harm = f"{file[0]} is damaged" if file else "its log is damaged"
    if harm:
        place = f"{uri}/{table}"
        way = f"Restore {place} from a copy, or move it away: {_WITHOUT[table]}."
        return f"{uri}: the store cannot be read (table {table}: {harm}). {way}"
    return (
        f"{uri}: the store cannot be {_DONE[verb]} ({type(error).__name__}: {one_line(text).partition('?')[0][:160]})."
    )
