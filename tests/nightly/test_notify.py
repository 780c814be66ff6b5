"""What a webhook is told, in three forms, and that its address is never told to anybody."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.notify import Notice, body, post
from tests.hostile import HOSTILE

NOTICE = Notice(
    "2026-11-21T03:00:00Z", "done", "fwlens: Needs: 1 new; 2 rules would allow what is needed.", {"new": 1},
    (("New", ("aml/batch",)),), "reports/2026-11-21/report.html",
)  # fmt: skip
SECRET = "T0/B0/hunter2"


@dataclass
class Receiver:
    """A webhook on loopback that answers with these statuses in turn, then with 200."""

    statuses: list[int] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)
    address: str = ""


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    receiver = Receiver(list(statuses))

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            receiver.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status = receiver.statuses.pop(0) if receiver.statuses else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/sign-in")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    receiver.address = f"http://127.0.0.1:{server.server_port}/{SECRET}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_plain_json_says_all() -> None:
    with receiving() as hook:
        assert post(hook.address, NOTICE, "json", lambda _: None) == ""
    assert hook.got == [
        {
            "schema": "fwlens.notice/1",
            "run": "2026-11-21T03:00:00Z",
            "state": "done",
            "text": "fwlens: Needs: 1 new; 2 rules would allow what is needed.",
            "counts": {"new": 1},
            "lists": {"New": ["aml/batch"]},
            "report": "reports/2026-11-21/report.html",
        }
    ]


def test_slack_gets_a_block_of_text() -> None:
    assert json.loads(body(NOTICE, "slack")) == {
        "text": "```fwlens: Needs: 1 new; 2 rules would allow what is needed.\nNew:\n  aml/batch\n"
        "Report: reports/2026-11-21/report.html```"
    }


def test_teams_gets_an_adaptive_card() -> None:
    said = json.loads(body(NOTICE, "teams"))
    (card,) = said["attachments"]
    assert (said["type"], card["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert (card["content"]["type"], card["content"]["version"]) == ("AdaptiveCard", "1.4")
    assert [block["text"] for block in card["content"]["body"]] == [
        r"fwlens: Needs: 1 new; 2 rules would allow what is needed.",
        "New",
        r"aml/batch",
        r"Report: reports/2026\-11\-21/report.html",
    ]


def hostile(text: str) -> Notice:
    return Notice("r", "done", text, {}, ((text[:20], (text,)),), text)


@pytest.mark.parametrize("text", [*HOSTILE, "<!channel>", "<https://evil.example|ok>", "```\n@here", "&lt;b&gt;"])
def test_nothing_that_a_log_made_up_is_markup_in_slack(text: str) -> None:
    said = json.loads(body(hostile(text), "slack"))["text"]
    assert said.startswith("```")
    assert said.endswith("```")
    assert not set(said[3:-3]) & set("<>`")
    assert said[3:-3].replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").count("&") == 0
    assert all(char.isprintable() or char == "\n" for char in said)


@pytest.mark.parametrize(
    "text", [*HOSTILE, "[x](https://evil.example)", "**b**", "# h", "![i](https://evil.example)", "\\[x"]
)
def test_nothing_that_a_log_made_up_is_markup_in_teams(text: str) -> None:
    for block in json.loads(body(hostile(text), "teams"))["attachments"][0]["content"]["body"]:
        bare = block["text"]
        for mark in "\\`*_[](){}<>#+-!|~":
            bare = bare.replace(f"\\{mark}", "")
        assert not set(bare) & set("\\`*_[](){}<>#+-!|~")
        assert bare.isprintable()


@given(st.text(max_size=400), st.sampled_from(["json", "slack", "teams"]))
def test_whatever_the_text_every_form_is_json_in_ascii(text: str, style: Any) -> None:
    said = body(hostile(text), style)
    json.loads(said)
    assert said.isascii()


def test_long_lists_and_texts_are_cut_with_a_count() -> None:
    many = Notice("r", "done", "x" * 1000, {}, (("New", tuple(f"need/{n}" for n in range(25))),))
    said = json.loads(body(many, "slack"))["text"].split("\n")
    assert len(said[0]) <= 303
    assert said[2:12] == [f"  need/{n}" for n in range(10)]
    assert said[12] == "  and 15 more```"


@pytest.mark.parametrize(
    ("statuses", "said", "posts"),
    [
        ([500, 429], "", 3),
        ([500, 502, 503, 504], "The webhook answered 503.", 3),
        ([404], "The webhook answered 404.", 1),
        ([403], "The webhook answered 403.", 1),
        ([302], "The webhook leads to another address, and nobody was told there.", 1),
    ],
)
def test_what_passes_is_tried_again_and_what_does_not_is_told(statuses: Sequence[int], said: str, posts: int) -> None:
    with receiving(*statuses) as hook:
        assert post(hook.address, NOTICE, "json", lambda _: None) == said
        assert len(hook.got) == posts


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:9/T0/B0/hunter2", "The webhook could not be reached (Connection refused)."),
        ("https://hook.invalid/T0/B0/hunter2", "The webhook could not be reached (Name or service not known)."),
        ("file:///etc/passwd", "The webhook's address is not one: it begins with https://."),
        ("hooks.example/hunter2", "The webhook's address is not one: it begins with https://."),
        ("https://[hunter2", "The webhook's address is not one."),
        ("https://x:hunter2/", "The webhook's address is not one."),
        ("http://127.0.0.1:9/\x00 hunter2", "The webhook could not be reached (InvalidURL)."),
    ],
)
def test_a_webhook_that_cannot_be_reached_is_told_without_its_address(address: str, said: str) -> None:
    told = post(address, NOTICE, "json", lambda _: None)
    assert "hunter2" not in told
    if "hook.invalid" not in address:  # what a resolver says differs between machines
        assert told == said
