"""A pull over loopback, through the real client and credential, with a sleep that does not wait."""

import contextlib
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fwlens.query import Query, find
from fwlens.source.asking import LIMITS, Limits
from fwlens.source.session import Session, Target, connect
from fwlens.source.workspace import Answer, Window, answers
from tests import kusto
from tests.loopback import WORKSPACE, Loopback

WHOLE = Window(datetime(2026, 11, 20, 22, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
HERE = f"{WORKSPACE}/AZFWNetworkRule 2026-11-20T22:00Z/2026-11-21T00:00Z"
NETWORK = (find("firewall-network"),)


@functools.cache
def night() -> kusto.Workspace:
    """The sample night, made once for all tests of a process."""
    return kusto.sample_night()


@dataclass
class Line:
    """An open session with what it told and how long it would have slept."""

    session: Session
    target: Target
    server: Loopback
    told: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def answers(
        self, queries: tuple[Query, ...] | None = NETWORK, window: Window = WHOLE, limits: Limits = LIMITS
    ) -> tuple[Answer, ...]:
        """What comes of asking, by default for what network rules decided."""
        return answers(self.target, window, session=self.session, tell=self.told.append, queries=queries, limits=limits)


@contextlib.contextmanager
def line_to(
    server: Loopback, folder: Path, monkeypatch: pytest.MonkeyPatch, target: Target | None = None, ahead: float = 0.0
) -> Iterator[Line]:
    """Serve, and connect as the command line does; our clock is `ahead` of the true one by so many seconds."""
    slept: list[float] = []
    with server.serving(folder) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        named = target or Target((WORKSPACE,))
        there = Target(named.workspaces, named.resources, named.cloud, named.tenant, server.address)
        with connect(there, now=lambda: time.time() + ahead, sleep=slept.append) as session:
            yield Line(session, there, server, slept=slept)
