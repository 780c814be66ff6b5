"""Knows how a night tells what it does: a sentence, or a line of JSON, on standard error."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


class Log:
    """Lines of a night in one of two forms. What a log or server made up cannot break a line or move a cursor."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def __call__(self, level: str, event: str, text: str, fields: Mapping[str, object] | None = None) -> None:
        """A line: how grave, a short name for what happened, a sentence, and fields."""
        if self._as_json:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            line = {"ts": now, "level": level, "event": event, "text": text, **(fields or {})}
            sys.stderr.write(f"{json.dumps(line, ensure_ascii=True)}\n")
        else:
            plain = "".join(char if char.isprintable() else _REPLACEMENT for char in text)
            mark = "" if level == "info" else f"{level}: "
            sys.stderr.write(f"fwlens: {mark}{plain}\n")
        sys.stderr.flush()
