"""Knows how files and blobs come into the store: what changed is read whole, and every row of it counts once.

Each step is one commit, so what is interrupted has lost one step. What is as it was is not read. What was read again
takes the place of what the store has of it, under whatever name: a file is known by its name, by what tells that it
changed, and by what it held (`content`). What was read of a file that is gone stays.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import polars as pl
from msgspec import structs

from fwlens import source
from fwlens.errors import FwlensError
from fwlens.flow import Span
from fwlens.nightly.content import Content, content_of
from fwlens.nightly.cut import SLOT, Cut
from fwlens.nightly.intake import Step
from fwlens.nightly.tiles import EPOCH
from fwlens.source import bloburl
from fwlens.source.files import STDIN, Input, inputs
from fwlens.source.storage import Blob, Storage
from fwlens.store import Account, Kept, Store, Taken, account_of, digest

FILES: Final = "fwlens/files"
_ETAG: Final = "etag:"
_AT_ONCE: Final = 50
_LISTINGS: Final = 3
_ROWS_AT_ONCE: Final = 200_000
_UNKNOWN: Final = "unknown"
_OUTSIDE: Final = "outside the time that was asked for (--since, --until)"
_OLD: Final = "before what is kept (--keep-flows)"


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
        before = _Before.of(store.inputs(), logs.found(listed_from), wanted)
        blobs = [one.blob for one in before.fresh if one.blob]
        places = dict(zip((blob.label for blob in blobs), logs.reached(blobs), strict=True))
        step, is_whole = _Gathered(), True
        for one in before.fresh:
            is_whole &= step.take(one, one.place or places[one.label], before, wanted)
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


@dataclass(frozen=True, slots=True)
class _Before:
    """What the store has of files: the last that was read under each name (`known`), and those of which the name is
    gone or may be another file's by now (`moved`). Of the files that are to be read (`fresh`) it says what they hold,
    and of what was read before which file holds it now, by its mark or its content (`holder`); `written` are the ids of
    what was read since."""

    known: Mapping[str, Kept]
    moved: Sequence[Kept]
    fresh: Sequence[Found]
    contents: Mapping[str, Content]
    holder: Mapping[str, str]
    written: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, stored: Iterable[Kept], there: Sequence[Found], wanted: _Wanted) -> "_Before":
        """Compare what is stored with what is there."""
        every = sorted(stored, key=lambda one: one.turn)
        known = {one.name: one for one in every}
        fresh = [one for one in there if not wanted.is_known(one, known.get(one.label))]
        as_they_were = {one.label for one in there} - {one.label for one in fresh}
        last = {known[name].id for name in as_they_were}
        moved = [one for one in every if _is_file(one.mark) and one.id not in last]
        told = {one.account.content for one in moved} - {""}
        contents = {one.label: content_of(one.place.path, told) for one in fresh if one.place}
        holder = {known[name].account.content: name for name in as_they_were}
        for one in fresh:
            begins = contents[one.label].begins if one.place else ()
            own = known[one.label].account.content if one.label in known else ""
            for each in filter(None, (wanted.mark(one), *([own] if own in begins else begins))):
                holder.setdefault(each, one.label)
        return cls(known, moved, fresh, contents, holder)

    def same(self, one: Found) -> list[Kept]:
        """What was read before under other names, and is in this file."""
        own = self.known.get(one.label)
        others = (each for each in self.moved if each is not own and each.id not in self.written)
        return [each for each in others if one.label in map(self.holder.get, (each.mark, each.account.content))]

    def stays(self, one: Found, account: Account) -> bool:
        """Whether what was read under the name of this file was another file, and is gone: nothing that is there begins
        with it, and this one tells of later times only."""
        old = self.known[one.label].account
        if not old.content or self.holder.get(old.content) or not old.seen:
            return False
        return not account.seen or account.seen[0] > old.seen[1]


@dataclass(slots=True)
class _Gathered:
    """Inputs that wait for their commit."""

    taken: list[Taken] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    tags: list[tuple[str, bytes]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def take(self, one: Found, place: Input, before: _Before, wanted: _Wanted) -> bool:
        """Read a file or blob in place of what the store has of it, also under other names; False where it is gone
        itself by now."""
        cut = wanted.cut
        span = Span(wanted.since, every=cut.every(one.changed))
        read = source.read([], places=[place], with_allowed=wanted.with_allowed, span=span)
        self.tags += read.service_tags
        lost, old = bool(read.unread), before.known.get(one.label)
        if lost and one.place and not (place.named or Path(place.path).exists()):
            return False
        if lost or (place.named and all(account.format == _UNKNOWN for account in read.ledger.inputs)):
            self.faults += read.faults
        used = cut.used(read.used)
        account = _told(account_of(read.ledger, used, with_allowed=wanted.with_allowed, night=wanted.night))
        if lost and old and old.account.rows_read > account.rows_read:
            return True  # what was read of it before is more than what can be read now
        content = before.contents[one.label].whole if one.place and not lost else ""
        account = structs.replace(account, content=content, seen=_seen(read.slots))
        same, label = [] if lost else before.same(one), one.label
        if old and not lost and before.stays(one, account):
            label = old.next_label
        elif old:
            label, same = old.label, [*same, old]
        self.replaced += [each.id for each in same]
        account = account.after((each.account for each in same), wanted.done)
        mark = "" if lost or read.service_tags else wanted.mark(one)
        self.taken.append(Taken(label, mark, one.changed, one.changed, account, cut.slots(read.slots)))
        before.written.add(self.taken[-1].id)
        return True

    @property
    def is_full(self) -> bool:
        """Whether they are enough for a commit."""
        return len(self.taken) == _AT_ONCE or sum(each.slots.height for each in self.taken) > _ROWS_AT_ONCE

    def done(self) -> Step:
        """The step that they make."""
        return Step(FILES, None, tuple(self.taken), tuple(self.replaced), tuple(self.tags), tuple(self.faults))


def _seen(slots: pl.DataFrame) -> tuple[int, int] | None:
    """When the first and the last of some flows were seen (microseconds since 1970)."""
    first, last = pl.col("first_seen").min().dt.epoch("us"), pl.col("last_seen").max().dt.epoch("us")
    return slots.select(first, last).row(0) if slots.height else None


def _told(account: Account) -> Account:
    """The account in the words of a night, which has no option for its oldest rows but how long it keeps them."""
    aside = tuple((_OLD if reason == _OUTSIDE else reason, rows, first) for reason, rows, first in account.set_aside)
    return structs.replace(account, set_aside=aside)


def _is_file(mark: str) -> bool:
    """Whether a mark is that of a file, which keeps it when it is renamed."""
    return bool(mark) and not mark.startswith(_ETAG)
