"""Knows how what arrived in a workspace comes into the store, window by window.

Each step is one commit, so what is interrupted has lost one step. A window that was pulled again takes the place of
what the store has of it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Final

import polars as pl

from fwlens import source
from fwlens.errors import FwlensError
from fwlens.flow import Span
from fwlens.nightly.cut import SLOT
from fwlens.nightly.tiles import EPOCH, Stretch, Tile, tiles
from fwlens.source.files import Input
from fwlens.store import ARRIVED, Kept, Store, Taken, account_of

_EARLY: Final = "early"
_MICROSECOND: Final = timedelta(microseconds=1)
_UNKNOWN: Final = "unknown"
_MINUTE: Final = "%Y-%m-%dT%H:%MZ"
_PIECE: Final = r" .*$"

Tell = Callable[[str], None]
"""Told a sentence for people."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace or resource to pull from: its name, and what pulls a window of arrivals, whole or not at all."""

    name: str
    pull: Callable[[Stretch], Sequence[Input]]

    @property
    def source(self) -> str:
        """What the store calls it."""
        return f"fwlens/arrivals/{self.name}"


@dataclass(frozen=True, slots=True)
class Step:
    """Inputs that go into the store together: whose they are, how far that is then, and what they take the place of."""

    source: str
    progress: int | None
    taken: tuple[Taken, ...]
    replaced: tuple[str, ...] = ()
    tags: tuple[tuple[str, bytes], ...] = ()
    faults: tuple[str, ...] = ()


def arrivals(
    store: Store,
    workspace: Workspace,
    until: datetime,
    *,
    look_back: timedelta,
    step: timedelta,
    overlap: timedelta,
    with_allowed: bool,
    night: str,
    done: str,
    now: datetime,
    tell: Tell,
) -> Iterator[Step]:
    """What arrived in a workspace since the last window that the store has, window by window. `night` is this one, and
    `done` the last that was done.

    Windows that were pulled before they had ended (`--until` may lie ahead of `now`) count as not there.
    """
    every = sorted(_stored(store, workspace), key=lambda one: one.begin)
    stored = _ended(every, now)
    early = tuple(one.id for one in every[len(stored) :])
    stretches = [Stretch(one.begin, one.end) for one in stored]
    reached = store.progress(workspace.source) or 0
    plan = tiles(stretches, until, look_back=look_back, step=step, overlap=overlap)
    if until > now:
        tell(f"{workspace.name}: {until:%Y-%m-%d %H:%M} UTC has not come yet; later nights read the rest.")
    if stretches and until < stretches[-1].end:
        tell(f"{workspace.name}: the store already has what arrived until {stretches[-1].end:%Y-%m-%d %H:%M} UTC.")
    for tile in plan:
        covered = [stored[i] for i in tile.covers]
        window, taken = tile.window, _pulled(workspace, tile, now, with_allowed=with_allowed, night=night)
        if taken.account.rows_read < sum(one.account.rows_read for one in covered):
            # What has arrived stays: a workspace that knows less of it now has lost rows (retention, purge, rights).
            tell(f"{taken.label}: the workspace has fewer rows of it than the store, which keeps its own.")
            rest = Stretch(covered[-1].end, window.end)
            if rest.begin >= rest.end:
                continue
            covered, window = [], rest
            taken = _pulled(workspace, Tile(rest), now, with_allowed=with_allowed, night=night)
        taken = replace(taken, account=taken.account.after((one.account for one in covered), done))
        reached = max(reached, (window.end - EPOCH) // _MICROSECOND)
        yield Step(workspace.source, reached, (taken,), (*early, *(one.id for one in covered)))
        early = ()


def _ended(every: Sequence[Kept], now: datetime) -> list[Kept]:
    """The windows that had ended when they were pulled, up to the first that had not.

    A clock that was ahead took windows for ended that had not even begun: nothing could be in them, and what arrived
    later would never be asked for. Where something is in them, it is today's clock that is wrong, and the store is not.
    """
    is_behind = any(one.begin >= now and one.account.rows_read for one in every)
    return list(takewhile(lambda one: one.mark != _EARLY and (is_behind or one.end <= now), every))


def _stored(store: Store, workspace: Workspace) -> Iterator[Kept]:
    prefix = f"{workspace.name}{ARRIVED}"
    return (one for one in store.inputs() if one.label.startswith(prefix))


def _pulled(workspace: Workspace, tile: Tile, now: datetime, *, with_allowed: bool, night: str) -> Taken:
    """A window of arrivals, read whole. Raises FwlensError where any of it cannot be read."""
    window = tile.window
    label = f"{workspace.name}{ARRIVED}{window.begin:%Y-%m-%dT%H:%M:%SZ}"
    read = source.read([], places=workspace.pull(window), with_allowed=with_allowed, span=Span(every=SLOT))
    strange = [one.path for one in read.ledger.inputs if one.format == _UNKNOWN and one.rows_read]
    if read.unread or strange:
        name = (*read.unread, *strange)[0]
        raise FwlensError(f"{name}: the answer of Log Analytics cannot be read. Nothing of this window was stored.")
    account = account_of(read.ledger, read.used, with_allowed=with_allowed, night=night)
    account = account.merged(partial(_table_of, window=window))
    origin = pl.col("origin").str.replace(_PIECE, f"{ARRIVED}{window.begin:{_MINUTE}}")
    return Taken(
        label, _EARLY if window.end > now else "", window.begin, window.end, account, read.slots.with_columns(origin)
    )


def _table_of(place: str, *, window: Stretch) -> str:
    """The table of an answer, whatever pieces it came in: a busy service gives other pieces than an idle one."""
    return f"{place.partition(' ')[0]}{ARRIVED}{window.begin:{_MINUTE}}"
