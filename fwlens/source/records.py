"""Knows JSON containers: how records are cut out of them as texts, and how texts become raw rows."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from fwlens.source.files import Content
from fwlens.source.format import COMMON, MESSAGE, NOT_DECODED, Fault

NOT_JSON: Final = "malformed: not JSON"
CUT_OFF: Final = "cut off: the last record is not whole"
NOT_UTF8: Final = "malformed: not UTF-8"
NOT_OBJECT: Final = "malformed: not a JSON object"
NESTED: Final = ['"records"', '"Records"']
"""What a line holds that is a document of records itself, as Event Hub messages are."""
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_DEPTH: Final = 3
_SLICE: Final = 2048
_GAP: Final = re.compile(r"[ \t\r\n,\]}]*+")
_OPENING: Final = re.compile(r'(?:\[[ \t\r\n]*+)++|\{\s*"(?:records|Records|value)"\s*:\s*\[')
_WITHIN: Final = r'"properties"\s*:\s*(?:\{\s*"|")'
_FIRST_KEY: Final = re.compile(r'\{\s*("[A-Za-z_]{1,80}")\s*:')


class _Document(msgspec.Struct):
    """Storage and Event Hub write `records`; a REST answer holds `value`."""

    records: list[msgspec.Raw] | None = None
    Records: list[msgspec.Raw] | None = None
    value: list[msgspec.Raw] | None = None


_DOCUMENT: Final = msgspec.json.Decoder(_Document)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def lines(content: Content, path: str) -> pl.LazyFrame:
    """JSON Lines as `line`, `text`. Collecting raises ComputeError where a byte is not UTF-8."""
    source = path if content.in_place else content.data
    return pl.scan_lines(source, name="text", row_index_name="line", row_index_offset=1, glob=False)


def mended(content: Content, path: str) -> Content:
    """The same content with bytes that are not UTF-8 replaced, so that only their rows are lost."""
    data = Path(path).read_bytes() if content.in_place else content.data
    return Content(content.container, data.decode("utf-8", "replace").encode())


def cut(data: bytes) -> tuple[pl.DataFrame, list[Fault]]:
    """The records of a document, an array, bare records one after the other, or a partial blob: `line`, `text`.

    A blob that is read while it grows begins with `,{` or lacks its `]}`: what is whole is kept, the rest is a fault.
    """
    body = data.strip(b" ,\r\n\t")
    ends = (b"]}", b"}") if body.startswith(b"{") else (b"]",)
    for before, after in ((b"", b""), (b'{"records":[', b"]}"), *((b"", end) for end in ends)):
        raws = _raws(before + body + after)
        if raws is not None:
            return frame_of(placed(data, raws)), []
    text = data.decode("utf-8", "replace")
    faults: list[Fault] = []
    return frame_of(_scanned(text, faults)), faults


def _raws(document: bytes, depth: int = _DEPTH) -> list[msgspec.Raw] | None:
    """The records of a whole document or array, documents in it opened too; None for anything else."""
    raws: list[msgspec.Raw] | None = None
    try:
        if document.startswith(b"["):
            raws = _ARRAY.decode(document)
        else:
            found = _DOCUMENT.decode(document)
            raws = next((raws for raws in (found.records, found.Records, found.value) if raws is not None), None)
    except NOT_DECODED:
        pass
    if raws is None or not depth:
        return raws
    return [inner for raw in raws for inner in _inner(raw, depth - 1)]


def _inner(raw: msgspec.Raw, depth: int) -> Iterable[msgspec.Raw]:
    text = bytes(raw)
    if not text.startswith(b"[") and b'"records"' not in text and b'"Records"' not in text:
        return (raw,)
    raws = _raws(text, depth)
    return (raw,) if raws is None else raws


def placed(data: bytes, raws: Iterable[msgspec.Raw]) -> Iterator[tuple[int, str]]:
    """Each record's text with the line it begins on; the records follow each other in `data`."""
    line, seen_to = 1, 0
    for raw in raws:
        record = bytes(raw)
        start = data.find(record, seen_to)
        line += data.count(b"\n", seen_to, start)
        yield line, record.decode("utf-8", "replace")
        line += record.count(b"\n")
        seen_to = start + len(record)


def _scanned(text: str, faults: list[Fault]) -> Iterator[tuple[int, str]]:
    """Values one after the other, however they are joined; past damage it goes on at the next record."""
    decoder, at, line, seen_to = json.JSONDecoder(parse_int=str, parse_float=str), 0, 1, 0
    keys = set[str]()
    while True:
        at = _end(_GAP, text, at)
        opened = _end(_OPENING, text, at)
        if opened > at:
            at = opened
            continue
        if at >= len(text):
            return
        line, seen_to = line + text.count("\n", seen_to, at), at
        key = _FIRST_KEY.match(text, at)
        keys |= {key[1]} if key else set()
        try:
            end = decoder.raw_decode(text, at)[1] if text[at] == "{" else None
        except (ValueError, RecursionError):
            end = None
        if end is None:
            end = _following(text, at, keys)
            faults.append((CUT_OFF if end is None else NOT_JSON, 1, line))
            if end is None:
                return
        else:
            yield line, text[at:end]
        at = end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _following(text: str, at: int, keys: set[str]) -> int | None:
    """Where the next record begins after a damaged one: at a first key that records of this file have.

    A damaged object is passed over as a whole, with the objects in it; other damage ends with its line.
    """
    ways = [rf"[,\n]\s*(?=\{{\s*(?:{'|'.join(sorted(keys))})\s*:)"] if keys else []
    if not text.startswith("{", at):
        ways += [r"\n", r",\s*(?=\{)"]
    elif at == 0 or text[at - 1] == "\n":
        ways.append(r"\n(?=\{)")
    found = re.compile("|".join(ways)).search(text, at) if ways else None
    return found.end() if found else None


def frame_of(records: Iterable[tuple[int, str]]) -> pl.DataFrame:
    """Records with the lines they begin on: `line`, `text`."""
    return pl.DataFrame(list(records), schema={"line": pl.UInt32, "text": pl.String}, orient="row")


def opened(texts: pl.DataFrame) -> tuple[pl.DataFrame, list[Fault]]:
    """Texts that are documents themselves (Event Hub messages) replaced by the records in them."""
    text = pl.col("text")
    nested = text.str.contains_any(NESTED) | text.str.contains(r"^\s*\[")
    documents = texts.filter(nested)
    if not documents.height:
        return texts, []
    found: list[tuple[int, str]] = []
    faults: list[Fault] = []
    for line, document in documents.iter_rows():
        records, broken = cut(document.encode())
        found += [(line + within - 1, record) for within, record in records.iter_rows()]
        faults += [(reason, rows, line + within - 1) for reason, rows, within in broken]
    return pl.concat([texts.filter(~nested), frame_of(found)]).sort("line", maintain_order=True), faults


def columns_of(texts: pl.DataFrame, columns: tuple[str, ...]) -> tuple[pl.DataFrame, list[Fault]]:
    """Records as `line` and the named columns, all text.

    The columns stand in `properties` (storage, Event Hub) or, in a record without, at the top (data export, query
    results). Where one record has another shape, its neighbourhood is decoded record by record, and only what is no
    object is set aside.
    """
    names = tuple(dict.fromkeys((*columns, *MESSAGE)))
    texts = texts.with_columns(within=pl.col("text").str.contains(_WITHIN))
    top = COMMON if texts["within"].all() else tuple(dict.fromkeys((*COMMON, *names)))
    inside = names if texts["within"].any() else ()
    faults: list[Fault] = []
    decoded = _decoded(texts, top, inside)
    if decoded is None:
        parts = []
        for some in texts.iter_slices(_SLICE):
            part = _decoded(some, top, inside)
            parts.append(_one_by_one(some, top, inside, faults) if part is None else part)
        decoded = pl.concat(parts)

    def found(name: str) -> pl.Expr:
        ways = [pl.col(f"properties.{name}")] * (name in inside) + [pl.col(name)] * (name in top)
        one = ways[0] if len(ways) == 1 else pl.when("within").then(ways[0]).otherwise(ways[1])
        return one.alias(name)

    decoded = decoded.unnest("properties", separator=".")
    return decoded.select("line", *map(found, dict.fromkeys((*names, *COMMON)))), faults


def _schema(top: tuple[str, ...], inside: tuple[str, ...]) -> dict[str, pl.DataType | type[pl.DataType]]:
    return {**dict.fromkeys(top, pl.String), "properties": pl.Struct(dict.fromkeys(inside, pl.String))}


def _decoded(texts: pl.DataFrame, top: tuple[str, ...], inside: tuple[str, ...]) -> pl.DataFrame | None:
    """All records at once, or None where one of them is not of this shape."""
    record = pl.col("text").str.json_decode(pl.Struct(_schema(top, inside)))
    try:
        decoded = texts.select("line", "within", record=record)
    except pl.exceptions.PolarsError:
        return None
    return None if decoded["record"].null_count() else decoded.unnest("record")


def _one_by_one(
    texts: pl.DataFrame, top: tuple[str, ...], inside: tuple[str, ...], faults: list[Fault]
) -> pl.DataFrame:
    rows = []
    for line, text, within in texts.select("line", "text", "within").iter_rows():
        try:
            record = _decode(text)
            properties = record.get("properties") if isinstance(record, dict) else None
            properties = _decode(properties) if isinstance(properties, str) else properties
            if isinstance(record, dict):
                rows.append(
                    [line, within, *_texts(record, top), dict(zip(inside, _texts(properties, inside), strict=True))]
                )
            else:
                faults.append((NOT_OBJECT, 1, line))
        except (ValueError, RecursionError):
            faults.append((NOT_UTF8 if _REPLACEMENT in text else NOT_JSON, 1, line))
    return pl.DataFrame(rows, schema={"line": pl.UInt32, "within": pl.Boolean, **_schema(top, inside)}, orient="row")


def _decode(text: str) -> Any:
    """A text of JSON; of equal keys the first counts, as it does for polars."""
    return json.loads(text, object_pairs_hook=lambda pairs: dict(reversed(pairs)), parse_int=str)


def _texts(record: Any, names: tuple[str, ...]) -> list[str | None]:
    """The named values as texts, none of them where this is no object."""
    return [text_of(record.get(name)) if isinstance(record, dict) else None for name in names]


def text_of(value: object) -> str | None:
    """A JSON value as text. A lone half of a surrogate pair, which JSON may hold and UTF-8 may not, is replaced."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
