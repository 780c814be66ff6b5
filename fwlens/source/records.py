"""Knows JSON containers: how records are cut out of them as texts, and how texts become raw rows."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from fwlens.source.files import Content
from fwlens.source.format import COMMON, MESSAGE, Fault

NOT_JSON: Final = "malformed: not JSON"
CUT_OFF: Final = "cut off: the last record is not whole"
NOT_UTF8: Final = "malformed: not UTF-8"
NOT_OBJECT: Final = "malformed: not a JSON object"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_BETWEEN: Final = " ,\r\n\t]}"
_OPENINGS: Final = ("records", "Records", "value")


class _Document(msgspec.Struct):
    records: list[msgspec.Raw]


_DOCUMENT: Final = msgspec.json.Decoder(_Document)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def lines(content: Content, path: str) -> pl.LazyFrame:
    """JSON Lines as `line`, `text`; blank lines are no rows. Collecting raises ComputeError where a byte is not UTF-8."""
    source = path if content.in_place else content.data
    frame = pl.scan_lines(source, name="text", row_index_name="line", row_index_offset=1, glob=False)
    return frame.filter(pl.col("text").str.strip_chars() != "")


def mended(content: Content, path: str) -> Content:
    """The same content with bytes that are not UTF-8 replaced, so that only their rows are lost."""
    data = Path(path).read_bytes() if content.in_place else content.data
    return Content(content.container, data.decode("utf-8", "replace").encode())


def cut(data: bytes) -> tuple[pl.DataFrame, list[Fault]]:
    """The records of a document, an array, bare records one after the other, or a partial blob: `line`, `text`.

    A blob that is read while it grows begins with `,{` or lacks its `]}`: what is whole is kept, the rest is a fault.
    """
    body = data.strip(b" ,\r\n\t")
    for attempt in (body, b'{"records":[' + body + b"]}", body + b"]}", body + b"]"):
        raws = _raws(attempt)
        if raws is not None:
            return frame_of(placed(data, raws)), []
    text = data.decode("utf-8", "replace")
    faults: list[Fault] = []
    return frame_of(_scanned(text, faults)), faults


def _raws(document: bytes) -> list[msgspec.Raw] | None:
    """The records of a whole document or array, nested documents opened."""
    try:
        return _DOCUMENT.decode(document).records
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return [inner for raw in _ARRAY.decode(document) for inner in _raws(bytes(raw)) or (raw,)]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def placed(data: bytes, raws: Iterable[msgspec.Raw]) -> Iterator[tuple[int, str]]:
    """Each record's text with the line it begins on."""
    line, seen_to = 1, 0
    for raw in raws:
        record = bytes(raw)
        start = data.find(record, seen_to)
        line += data.count(b"\n", seen_to, start)
        seen_to = start
        yield line, record.decode("utf-8", "replace")


def _scanned(text: str, faults: list[Fault]) -> Iterator[tuple[int, str]]:
    """Values one after the other, however they are joined; past damage it goes on at the next line."""
    decoder, at, line, seen_to = json.JSONDecoder(), 0, 1, 0
    while True:
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        opening = _opening(text, at)
        if opening:
            at = opening
            continue
        if at >= len(text):
            return
        line, seen_to = line + text.count("\n", seen_to, at), at
        try:
            _, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            newline = text.find("\n", at)
            faults.append((CUT_OFF if newline < 0 else NOT_JSON, 1, line))
            if newline < 0:
                return
            at = newline
            continue
        yield line, text[at:end]
        at = end


def _opening(text: str, at: int) -> int:
    """Where the first record of `[` or `{"records":[` begins, 0 if none opens here."""
    if text[at : at + 1] == "[":
        return at + 1
    head = text[at : at + 40]
    compact = "".join(head.split())
    if compact.startswith(tuple(f'{{"{name}":[' for name in _OPENINGS)):
        return at + head.index("[") + 1
    return 0


def frame_of(records: Iterable[tuple[int, str]]) -> pl.DataFrame:
    return pl.DataFrame(list(records), schema={"line": pl.UInt32, "text": pl.String}, orient="row")


def opened(texts: pl.DataFrame) -> pl.DataFrame:
    """Lines that are documents themselves (Event Hub messages) replaced by the records in them, on the same line."""
    whole = pl.col("text").str.contains(r'^\s*(?:\{\s*"[Rr]ecords"\s*:\s*\[|\[)')
    documents = texts.filter(whole)
    if not documents.height:
        return texts
    found = []
    for line, text in documents.iter_rows():
        records, faults = cut(text.encode())
        found += [(line, record) for record in records["text"]] if not faults else [(line, text)]
    return pl.concat([texts.filter(~whole), frame_of(found)]).sort("line", maintain_order=True)


def columns_of(texts: pl.DataFrame, columns: tuple[str, ...]) -> tuple[pl.DataFrame, list[Fault]]:
    """Records as `line` and the named columns, all text.

    A column stands in `properties` (storage, Event Hub) or at the top (data export, query results). Where one record of
    a file has another shape, the file is decoded record by record, and only what is no object is set aside.
    """
    names = tuple(dict.fromkeys((*columns, *MESSAGE)))
    top = dict.fromkeys((*names, *COMMON), pl.String)
    schema = pl.Struct({**top, "properties": pl.Struct(dict.fromkeys(names, pl.String))})
    faults: list[Fault] = []
    try:
        decoded = texts.select("line", record=pl.col("text").str.json_decode(schema)).unnest("record")
    except pl.exceptions.PolarsError:
        decoded = _one_by_one(texts, schema, faults)
    inner = pl.col("properties").struct
    return decoded.select(
        "line", *(pl.coalesce(inner.field(name), name) if name in names else name for name in top)
    ), faults


def _one_by_one(texts: pl.DataFrame, schema: pl.Struct, faults: list[Fault]) -> pl.DataFrame:
    rows = []
    for line, text in texts.iter_rows():
        try:
            record = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            faults.append((NOT_UTF8 if _REPLACEMENT in text else NOT_JSON, 1, line))
            continue
        if not isinstance(record, dict):
            faults.append((NOT_OBJECT, 1, line))
            continue
        rows.append({"line": line, **_as_texts(record)})
    inner = {field.name: field.dtype for field in schema.fields}
    return pl.DataFrame(rows, schema={"line": pl.UInt32, **inner}, orient="row")


def _as_texts(record: dict[str, Any]) -> dict[str, Any]:
    """Every value as text; `properties` stays nested, also where it was written as a text of JSON."""
    properties = record.pop("properties", None)
    if isinstance(properties, str):
        try:
            properties = msgspec.json.decode(properties)
        except msgspec.DecodeError:
            properties = None
    nested = {name: text_of(value) for name, value in properties.items()} if isinstance(properties, dict) else {}
    return {name: text_of(value) for name, value in record.items()} | {"properties": nested}


def text_of(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
