"""Knows how to pass over the allowed part of a flow-log blob: cut the tuples out, decode the frame that is left.

Of a blob 97 bytes in 100 are tuples, nearly all of them allowed. So what stands between `"flowTuples":[` and `]` is
taken out, the rest is decoded, and of what was taken out only groups with a `D` are looked into. The others are counted
by their quotes, and held to be tuples by their commas. Where a sum is off by one, or anything is written in another way
than Azure does, the answer is None and the blob is decoded in full.

No text of a document can hold that key unescaped, and a whole frame around whole arrays of texts is a whole document:
so this finds what decoding finds, in six tenths of the time (32 MB: 21 ms against 35; simdjson parses it in 7).
Only damage within a group without `D` that leaves both sums right goes unseen; no denial can be lost by that.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from fwlens.source.flowlog import COMMAS, Tuples, decode_blob

_KEY: Final = b'"flowTuples":['
_PLAIN: Final = b"[-1]"
_SHORTEST: Final = len(b'[""]')
_LARGE: Final = 1 << 20


def skim(blob: bytes, *, with_allowed: bool) -> Tuples | None:
    """The tuples of a whole document on one line, or None where it must be decoded in full."""
    line_break = blob.find(b"\n")
    if b"\\" in blob or (line_break >= 0 and blob[line_break:].strip()):
        return None
    frame, cut, plain, keys = _cut(blob, with_allowed=with_allowed)
    if not keys == frame.count(b"flowTuples") > 0:
        return None  # no flow log, or not written as Azure does
    records = decode_blob(frame)
    groups = [group for record in records or () for group in record.groups() if group[2] != b"[]"]
    if records is None or len(groups) != len(cut) + plain:
        return None
    loud = _loud(groups, cut)
    if loud is None:
        return None
    if plain:
        count = _tuples(blob, b"".join([frame, *cut]), plain)
        if not count:
            return None
        loud.skip(count, 1)
    return loud


def _loud(groups: Iterable[tuple[str | None, str | None, bytes]], cut: Sequence[bytes]) -> Tuples | None:
    """The tuples of the groups that were cut out, or None where one of them is not `is_compact`.

    All are looked at together: each quote is one of two that begin and end a group, or one of the two in `","`.
    """
    found = Tuples()
    for acl, rule, number in groups:
        if number != _PLAIN:
            tuples = cut[int(number[1:-1])]
            if len(tuples) < _SHORTEST or not (tuples.startswith(b'["') and tuples.endswith(b'"]')):
                return None
            found.texts.append((acl, rule, 1, tuples[2:-2]))
    inside = b"\n".join([text for _, _, _, text in found.texts])
    parted = inside.count(b'","')
    if b" " in inside or b"\r" in inside or inside.count(b'"') != 2 * parted:
        return None
    found.rows = parted + len(found.texts)
    found.size = sum(len(text) for _, _, _, text in found.texts)
    return found


def _cut(blob: bytes, *, with_allowed: bool) -> tuple[bytes, list[bytes], int, int]:
    """The frame, with the number of what was cut out in each gap; what was cut out to be looked into; the number of
    groups that nobody needs to look into; and how many keys there are."""
    frame, cut, plain, keys, at = list[bytes](), list[bytes](), 0, 0, 0
    while (start := blob.find(_KEY, at)) >= 0:
        keys += 1
        start += len(_KEY)
        end = blob.find(b"]", start)
        if end < 0:
            break
        frame.append(blob[at:start])
        if end > start and (with_allowed or blob.find(b"D", start, end) >= 0):
            frame.append(b"%d" % len(cut))
            cut.append(blob[start - 1 : end + 1])
        elif end > start:
            frame.append(_PLAIN[1:-1])
            plain += 1
        at = end
    frame.append(blob[at:])
    return b"".join(frame), cut, plain, keys


def _tuples(blob: bytes, others: bytes, groups: int) -> int:
    """How many tuples the other groups hold, all of one known width; 0 where they are not just that."""
    quotes, commas = (_count(blob, mark) - _count(others, mark) for mark in (b'"', b","))
    count, odd = divmod(quotes, 2)
    return count if not odd and commas + groups in [count * (width + 1) for width in COMMAS] else 0


def _count(text: bytes, mark: bytes) -> int:
    """How often one byte occurs. polars counts the lines of a large text, whatever ends them, seven times as fast."""
    if len(text) < _LARGE:
        return text.count(mark)
    lines = pl.scan_csv(
        text, schema={"line": pl.String}, has_header=False, eol_char=mark.decode(), separator="\x1f", quote_char=None
    )
    return int(lines.select(pl.len()).collect().item()) - (not text.endswith(mark))
