"""Knows how a night is told to a webhook: as JSON, or as Slack and Teams want it; its address is never given away.

Slack: https://api.slack.com/messaging/webhooks and https://api.slack.com/reference/surfaces/formatting#escaping
Teams: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
"""

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from fwlens.errors import plain

Style = Literal["json", "slack", "teams"]

SCHEMA: Final = "fwlens.notice/1"
TIMEOUT: Final = 10
"""Seconds that a webhook may take, each time."""
_ATTEMPTS: Final = 3
_MOST: Final = 10
_MOST_LENGTH: Final = 300
_AGAIN: Final = (408, 429, 500, 502, 503, 504)
_MARKDOWN: Final = re.compile(r"([\\`*_\[\](){}<>#+\-!|~])")


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told of a night: one sentence, lists of needs under their headings, and where the report lies.

    `state` is `done` or `failed`, `counts` are numbers by name. Its texts may hold what a log made up.
    """

    run: str
    state: str
    text: str
    counts: dict[str, int] = field(default_factory=dict)
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    report: str = ""


def body(notice: Notice, style: Style) -> bytes:
    """What is posted."""
    made = {"json": _plain, "slack": _slack, "teams": _teams}[style](notice)
    return json.dumps(made, ensure_ascii=True).encode()


def post(address: str, notice: Notice, style: Style, pause: Callable[[float], None]) -> str:
    """Post it; what went wrong in a sentence without the address (which is a secret), or nothing."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return "The webhook's address is not one."
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "The webhook's address is not one: it begins with https://."
    said = body(notice, style)
    fault = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            pause(2.0**attempt)
        fault, again = _sent(address, said)
        if not again:
            return fault
    return fault


def _sent(address: str, said: bytes) -> tuple[str, bool]:
    """What went wrong, and whether it is worth another attempt."""
    request = urllib.request.Request(address, said, {"Content-Type": "application/json"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:  # noqa: S310
            reply.read(1000)
            if reply.url != request.full_url:  # a page that says nothing of the notice: a redirect loses what is posted
                return "The webhook leads to another address, and nobody was told there.", False
    except urllib.error.HTTPError as error:
        error.close()
        return f"The webhook answered {error.code}.", error.code in _AGAIN
    except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, OSError, ValueError) as error:
        cause = getattr(error, "reason", error)
        why = type(cause).__name__
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, ssl.SSLError):  # may name the host
            why = cause.strerror
        return f"The webhook could not be reached ({why}).", True
    return "", False


def _plain(notice: Notice) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "run": notice.run,
        "state": notice.state,
        "text": notice.text,
        "counts": notice.counts,
        "lists": {name: list(items) for name, items in notice.lists},
        "report": notice.report,
    }


def _slack(notice: Notice) -> dict[str, Any]:
    """Text in a code block, where nothing is markup but `&`, `<` and `>`."""
    parts = [_short(notice.text)]
    for name, items in notice.lists:
        parts += [f"{_short(name)}:", *(f"  {item}" for item in _cut(items))]
    if notice.report:
        parts.append(f"Report: {_short(notice.report)}")
    text = "\n".join(parts).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")
    return {"text": f"```{text[:3500]}```"}


def _teams(notice: Notice) -> dict[str, Any]:
    """An adaptive card for a workflow's webhook; its text blocks are Markdown, so every mark is escaped."""
    body: list[dict[str, Any]] = [_block(_short(notice.text), weight="Bolder")]
    for name, items in notice.lists:
        body += [_block(_short(name), weight="Bolder"), *(_block(item) for item in _cut(items))]
    if notice.report:
        body.append(_block(f"Report: {_short(notice.report)}"))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        ],
    }


def _block(text: str, weight: str = "Default") -> dict[str, Any]:
    return {
        "type": "TextBlock",
        "text": _MARKDOWN.sub(r"\\\1", text),
        "wrap": True,
        "weight": weight,
        "spacing": "Small",
    }


def _cut(items: Sequence[str]) -> list[str]:
    more = [f"and {len(items) - _MOST} more"] if len(items) > _MOST else []
    return [*(_short(item) for item in items[:_MOST]), *more]


def _short(text: str) -> str:
    shown = plain(text)
    return shown if len(shown) <= _MOST_LENGTH else shown[: _MOST_LENGTH - 1] + "…"
