"""Knows how a night tells what it does: a sentence, or a line of JSON, on standard error."""

import contextlib
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from fwlens.errors import plain


class Log:
    """Lines of a night in one of two forms. What a log or server made up cannot break a line or move a cursor."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def __call__(self, level: str, event: str, text: str, fields: Mapping[str, object] | None = None) -> None:
        """A line: how grave, a short name for what happened, a sentence, and fields."""
        line = self._json(level, event, text, fields or {}) if self.as_json else self._text(level, text)
        with contextlib.suppress(OSError):  # a full disk or a closed pipe: the night goes on without its log
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def _json(self, level: str, event: str, text: str, fields: Mapping[str, object]) -> str:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return json.dumps({"ts": now, "level": level, "event": event, "text": text, **fields}, ensure_ascii=True)

    def _text(self, level: str, text: str) -> str:
        return f"fwlens: {'' if level == 'info' else f'{level}: '}{plain(text)}"
