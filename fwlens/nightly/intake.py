"""Knows how what is new comes into the store: windows of a workspace's arrivals, and files or blobs that changed.

Each step is one commit, so what is interrupted has lost one step. An input that was read again takes the place of what
the store has of it; one that is as it was is not read.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Final, NoReturn

import polars as pl
from msgspec import structs

from fwlens import source
from fwlens.errors import FwlensError
from fwlens.flow import Span
from fwlens.nightly.content import content_of
from fwlens.nightly.cut import SLOT, Cut
from fwlens.nightly.tiles import EPOCH, Stretch, Tile, tiles
from fwlens.source import bloburl
from fwlens.source.files import STDIN, Input, inputs
from fwlens.source.storage import Blob, Storage
from fwlens.store import ARRIVED, Account, Kept, Store, Taken, account_of, digest

FILES: Final = "fwlens/files"
_ETAG: Final = "etag:"
_EARLY: Final = "early"
_AT_ONCE: Final = 50
_LISTINGS: Final = 3
_ROWS_AT_ONCE: Final = 200_000
_MICROSECOND: Final = timedelta(microseconds=1)
_UNKNOWN: Final = "unknown"
_MINUTE: Final = "%Y-%m-%dT%H:%MZ"
_PIECE: Final = r" .*$"
_OUTSIDE: Final = "outside the time that was asked for (--since, --until)"
_OLD: Final = "before what is kept (--keep-flows)"

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
class Found:
    """A file or blob that was found: what tells whether it changed, and when it last did. An empty mark is no mark.

    A file is a `place` already; a blob becomes one when it is to be read.
    """

    label: str
    mark: str
    changed: datetime
    place: Input | None = None
    blob: Blob | None = None


@dataclass(frozen=True, slots=True)
class Logs:
    """Files and blobs to keep up with. `found` lists them, leaving out blobs of hours before the given time;
    `reached` makes places of blobs, in the order in which they will be read."""

    found: Callable[[datetime], Sequence[Found]]
    reached: Callable[[Sequence[Blob]], Sequence[Input]] = lambda _: ()


@dataclass(frozen=True, slots=True)
class Step:
    """Inputs that go into the store together: whose they are, how far that is then, and what they take the place of."""

    source: str
    progress: int | None
    taken: tuple[Taken, ...]
    replaced: tuple[str, ...] = ()
    tags: tuple[tuple[str, bytes], ...] = ()
    faults: tuple[str, ...] = ()


def found_in(paths: Iterable[str]) -> Iterator[Found]:
    """The files behind paths, with what tells whether they changed. Standard input is no place to come back to."""
    every = list(paths)
    if STDIN in every:
        raise FwlensError("Standard input cannot be read again tomorrow: name files, folders or blobs.")
    for place in inputs(str(Path(path).absolute()) for path in every):
        # Names that are shown alike are of two files all the same: neither may take the place of the other.
        label = place.label if place.label == place.path else f"{place.label} ({digest(place.path)[:8]})"
        try:
            told = Path(place.path).stat()
        except (OSError, ValueError):
            yield Found(label, "", EPOCH, place)
            continue
        mark = f"{told.st_size}:{told.st_mtime_ns}:{told.st_dev}:{told.st_ino}"
        yield Found(label, mark, datetime.fromtimestamp(told.st_mtime, UTC), place)


def blobs_in(storage: Storage, addresses: Iterable[str], since: datetime) -> Iterator[Found]:
    """The blobs behind addresses, each once; where they cannot be listed, reading the address says why."""
    found: dict[str, Blob] = {}
    for address in addresses:
        try:
            found |= {blob.label: blob for blob in storage.listed(address, since)}
        except FwlensError as error:
            place = Input(bloburl.shown(address), named=True, fetch=partial(_raise, error))
            yield Found(place.label, "", EPOCH, place)
    for label, blob in found.items():
        yield Found(label, f"{_ETAG}{blob.etag}:{blob.size}", blob.modified.astimezone(UTC), blob=blob)


def _raise(error: FwlensError) -> NoReturn:
    raise error


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


def changed(
    store: Store,
    logs: Logs,
    until: datetime,
    *,
    listed_from: datetime,
    since: datetime,
    with_allowed: bool,
    night: str,
    done: str,
) -> Iterator[Step]:
    """Files and blobs that the store does not have as they are now; of their rows those from `since` on.

    Blobs of hours before `listed_from` are not asked for again. What is in a file is stored whole, also from `until`
    on: it may be gone tomorrow. The hour in which a night ends is cut there (`Cut`), so that it answers for its part.
    Where a file of a folder is gone before it is read, it may have another name by now, and all are listed again.
    """
    wanted = _Wanted(Cut(until), since, with_allowed, night, done)
    for _ in range(_LISTINGS):
        known = {one.label: one for one in store.inputs()}
        everything = logs.found(listed_from)
        there = {one.label for one in everything}
        vanished = {one.id: one for one in known.values() if _is_file(one.mark) and one.label not in there}
        fresh = [one for one in everything if not wanted.is_known(one, known.get(one.label))]
        blobs = [one.blob for one in fresh if one.blob]
        places = dict(zip((blob.label for blob in blobs), logs.reached(blobs), strict=True))
        step, is_whole = _Gathered(), True
        for one in fresh:
            is_whole &= step.take(one, one.place or places[one.label], known.get(one.label), vanished, wanted)
            if step.is_full:
                yield step.done()
                step = _Gathered()
        if step.taken or step.tags or step.faults:
            yield step.done()
        if is_whole:
            return


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a night wants of files, which night it is, and which was the last that was done."""

    cut: Cut
    since: datetime
    with_allowed: bool
    night: str
    done: str

    def is_known(self, one: Found, old: Kept | None) -> bool:
        """Whether the store has a file as it is now, cut where this night ends."""
        if old is None or not one.mark or old.mark != self.mark(one):
            return False
        return self.cut.every(one.changed) == SLOT or self.cut.is_in(old.account)

    def mark(self, one: Found) -> str:
        """A file that was read without its allowed entries is another than the same file with them."""
        return f"{one.mark}+allowed" if one.mark and self.with_allowed else one.mark


@dataclass(slots=True)
class _Gathered:
    """Inputs that wait for their commit."""

    taken: list[Taken] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    tags: list[tuple[str, bytes]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def take(self, one: Found, place: Input, old: Kept | None, vanished: dict[str, Kept], wanted: _Wanted) -> bool:
        """Read a file or blob in place of what the store has of it, also under a name that is gone; False where it is
        gone itself by now."""
        cut = wanted.cut
        span = Span(wanted.since, every=cut.every(one.changed))
        read = source.read([], places=[place], with_allowed=wanted.with_allowed, span=span)
        self.tags += read.service_tags
        lost = bool(read.unread)
        if lost and one.place and not (place.named or Path(place.path).exists()):
            return False
        if lost or (place.named and all(account.format == _UNKNOWN for account in read.ledger.inputs)):
            self.faults += read.faults
        used = cut.used(read.used)
        account = _told(account_of(read.ledger, used, with_allowed=wanted.with_allowed, night=wanted.night))
        if lost and old and old.account.rows_read > account.rows_read:
            return True  # what was read of it before is more than what can be read now
        mark = wanted.mark(one)
        content, same = ("", []) if lost else _again(one, mark, vanished.values())
        self.replaced += [vanished.pop(each.id).id for each in same]
        account = account.after((each.account for each in (*same, *([old] if old else []))), wanted.done)
        account = structs.replace(account, content=content)
        again = lost or bool(read.service_tags)
        slots = cut.slots(read.slots)
        self.taken.append(Taken(one.label, "" if again else mark, one.changed, one.changed, account, slots))
        return True

    @property
    def is_full(self) -> bool:
        """Whether they are enough for a commit."""
        return len(self.taken) == _AT_ONCE or sum(each.slots.height for each in self.taken) > _ROWS_AT_ONCE

    def done(self) -> Step:
        """The step that they make."""
        return Step(FILES, None, tuple(self.taken), tuple(self.replaced), tuple(self.tags), tuple(self.faults))


def _again(one: Found, mark: str, vanished: Iterable[Kept]) -> tuple[str, list[Kept]]:
    """What a file holds as a whole, and what the store has of it under names that are gone: with the mark that it has,
    or with all that was read then at its begin."""
    vanished = [each for each in vanished if each.mark == mark or each.account.content]
    for each in vanished:
        if each.mark == mark:
            return each.account.content, [each]
    if one.place is None:
        return "", []
    content = content_of(one.place.path, (each.account.content for each in vanished))
    same = {each.account.content: each for each in vanished if each.account.content in content.begins}
    return content.whole, list(same.values())


def _told(account: Account) -> Account:
    """The account in the words of a night, which has no option for its oldest rows but how long it keeps them."""
    aside = tuple((_OLD if reason == _OUTSIDE else reason, rows, first) for reason, rows, first in account.set_aside)
    return structs.replace(account, set_aside=aside)


def _is_file(mark: str) -> bool:
    """Whether a mark is that of a file, which keeps it when it is renamed."""
    return bool(mark) and not mark.startswith(_ETAG)
