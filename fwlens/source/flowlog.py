"""Knows raw flow logs: NSG versions 1 and 2, VNet version 4. One shape, two tuples; the hot path of the whole tool.

https://learn.microsoft.com/azure/network-watcher/nsg-flow-logs-overview and .../vnet-flow-logs-overview

    {"records":[{"time":…,"resourceId":…,"properties":{"Version":2,"flows":[
        {"rule":"DefaultRule_DenyAllInBound","flows":[{"mac":…,"flowTuples":["1542110402,1.2.3.4,10.5.16.4,28746,443,U,I,D,B,,,,"]}]}]}}]}
    {"records":[{"time":…,"flowLogVersion":4,"flowRecords":{"flows":[{"aclID":…,"flowGroups":[
        {"rule":"UserRule_X","flowTuples":["1733975962447,10.1.0.4,40.1.6.2,123,123,17,O,D,NX,0,0,0,0"]}]}]}}]}

Field 8 decides: `D` in each version; `A` (NSG) or the flow states `B`, `C`, `E` (VNet) are allowed traffic. A group of
tuples of known width whose bytes hold no `D` is counted and never decoded. The rest becomes lines that polars splits
and folds.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import polars as pl

from fwlens.flow import NSG, TIME, Span, in_era
from fwlens.source.format import NOT_DECODED, Format, paired, present, unprefixed

MARKS: Final = ['"flowTuples"', '"flowRecords"', '"NetworkSecurityGroupFlowEvent"', '"FlowLogFlowEvent"']
"""What a text holds that is a flow-log record, between JSON quotes where no logged value can forge it."""
MALFORMED_RECORD: Final = "malformed: a flow-log record of another shape"


class _Group(msgspec.Struct, gc=False):
    rule: str | None = None
    flowTuples: msgspec.Raw = msgspec.Raw(b"[]")  # noqa: N815 - Azure's name


class _RuleFlows(msgspec.Struct, gc=False):
    rule: str | None = None
    flows: list[_Group] | None = None


class _Properties(msgspec.Struct, gc=False):
    flows: list[_RuleFlows] | msgspec.UnsetType | None = msgspec.UNSET


class _Acl(msgspec.Struct, gc=False):
    aclID: str | None = None  # noqa: N815 - Azure's name
    flowGroups: list[_Group] | None = None  # noqa: N815 - Azure's name


class _FlowRecords(msgspec.Struct, gc=False):
    flows: list[_Acl] | None = None


class Record(msgspec.Struct, gc=False):
    """One minute of one network interface; either `properties` (NSG) or `flowRecords` (VNet) holds its flows."""

    resourceId: str | None = None  # noqa: N815 - Azure's name
    properties: _Properties | None = None
    flowRecords: _FlowRecords | None = None  # noqa: N815 - Azure's name

    def groups(self) -> Iterator[tuple[str | None, str | None, bytes]]:
        """Each group of tuples with the id of its ACL and the name of its rule."""
        for acl in (self.flowRecords and self.flowRecords.flows) or ():
            for group in acl.flowGroups or ():
                yield acl.aclID, group.rule, bytes(group.flowTuples)
        for rule in (self.properties and self.properties.flows) or ():
            for group in rule.flows or ():
                yield self.resourceId, rule.rule, bytes(group.flowTuples)

    @property
    def is_flow_log(self) -> bool:
        """Whether this is a flow-log record at all."""
        return self.flowRecords is not None or bool(self.properties and self.properties.flows is not msgspec.UNSET)


class _Blob(msgspec.Struct, gc=False):
    records: list[Record]


Piece = tuple[Sequence[Record], bytes, int]
"""Records with the text they were decoded from, in its order, and the line that this text begins on."""

COMMAS: Final = (7, 12)
"""How many a tuple has: NSG version 1; NSG version 2 and VNet."""
_FIRST_TUPLE: Final = re.compile(rb'\[\s*"([^"\\]*)"')
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)+"')
_LATEST: Final = 10**15
_BLOB: Final = msgspec.json.Decoder(_Blob)
_RECORD: Final = msgspec.json.Decoder(Record)
_FIELDS: Final = (
    "group", "line", "t", "src", "dst", "sport", "dport", "protocol", "direction", "decision",
    "f8", "f9", "f10", "f11", "f12", "over",
)  # fmt: skip


@dataclass(slots=True)
class Tuples:
    """What the groups of one file hold: texts of tuples with the ACL, rule and line of each, and what was only counted.

    A text holds one tuple, or several that are parted by `","`; `size` is how many bytes they are.
    """

    texts: list[tuple[str | None, str | None, int, bytes]] = field(default_factory=list)
    size: int = 0
    rows: int = 0
    allowed: int = 0
    allowed_line: int = 0

    def skip(self, count: int, line: int) -> None:
        """Count allowed tuples that nobody has looked into."""
        self.rows += count
        self.allowed += count
        self.allowed_line = min(self.allowed_line, line) if self.allowed_line else line

    def take(self, acl: str | None, rule: str | None, tuples: bytes, line: int) -> None:
        """Add the tuples of a group."""
        if is_compact(tuples):
            self.take_compact(acl, rule, tuples, line)
            return
        for at, text in _loose(tuples, line):
            self._add(acl, rule, at, text, 1)

    def take_compact(self, acl: str | None, rule: str | None, tuples: bytes, line: int) -> None:
        """Add the tuples of a group that `is_compact`."""
        self._add(acl, rule, line, tuples[2:-2], tuples.count(b'","') + 1)

    def _add(self, acl: str | None, rule: str | None, line: int, text: bytes, rows: int) -> None:
        self.texts.append((acl, rule, line, text))
        self.rows += rows
        self.size += len(text)


def decode_blob(blob: bytes) -> list[Record] | None:
    """The records of a whole document, or None where it is no complete flow log (a cut or mixed file)."""
    try:
        records = _BLOB.decode(blob).records
    except NOT_DECODED:
        return None
    return records if all(record.is_flow_log for record in records) else None


def decode_record(text: str) -> tuple[Record, bytes] | None:
    """One record with its text, or None where it has another shape. Half surrogate pairs in the text are replaced."""
    data = text.encode()
    try:
        record = _RECORD.decode(data)
    except NOT_DECODED:
        try:
            data = paired(data)
            record = _RECORD.decode(data)
        except (*NOT_DECODED, ValueError):
            return None
    return (record, data) if record.is_flow_log else None


def gather(pieces: Iterable[Piece], *, with_allowed: bool) -> Tuples:
    """Collect the tuples of records, each with its line."""
    found = Tuples()
    for records, text, line in pieces:
        many_lines, seen_to = b"\n" in text.rstrip(), 0
        for record in records:
            for acl, rule, tuples in record.groups():
                if many_lines and (start := text.find(tuples, seen_to)) >= 0:
                    line += text.count(b"\n", seen_to, start)
                    seen_to = start + 1
                count = 0 if with_allowed or b"D" in tuples else _plain_tuples(tuples)
                if count:
                    found.skip(count, line + tuples.count(b"\n", 0, tuples.find(b'"')))
                else:
                    found.take(acl, rule, tuples, line)
    return found


def is_compact(tuples: bytes) -> bool:
    """`["a","b"]` without blanks or escapes, as Azure writes it: quotes count the tuples and one replace splits."""
    return (
        tuples.startswith(b'["')
        and tuples.endswith(b'"]')
        and b" " not in tuples
        and b"\n" not in tuples
        and b"\r" not in tuples
        and b"\\" not in tuples
        and tuples.count(b'","') * 2 + 2 == tuples.count(b'"')
    )


def _plain_tuples(tuples: bytes) -> int:
    """How many texts a group holds, if the first has as many fields as a tuple of ours; else 0."""
    first = _FIRST_TUPLE.match(tuples)
    known = first is not None and first[1].count(b",") in COMMAS and b"\\" not in tuples
    return tuples.count(b'"') // 2 if known else 0


def _loose(tuples: bytes, line: int) -> list[tuple[int, bytes]]:
    """The tuples of an array in any layout, each with its own line; what is no text becomes an empty tuple."""
    try:
        decoded = json.loads(tuples.decode("utf-8", "replace"), parse_int=str)
    except (ValueError, RecursionError):
        decoded = None
    rows, seen_to = [], 0
    for value in decoded if isinstance(decoded, list) else [decoded]:
        text = value if isinstance(value, str) else ""
        if text and (found := _STRING.search(tuples, seen_to)):
            line += tuples.count(b"\n", seen_to, found.start())
            seen_to = found.end()
        rows.append((line, text.encode("utf-8", "replace").translate(None, b"\r\n").replace(b'"', b"?")))
    return rows


def lines_frame(files: Iterable[tuple[str, Tuples]], span: Span) -> pl.LazyFrame:
    """The tuples of files (each with its `place`) as raw rows, folded but for what the span keeps apart."""
    alike: dict[tuple[str, str | None, str | None, int], list[bytes]] = {}  # most tuples of a file share rule and line
    for place, tuples in files:
        for acl, rule, line, text in tuples.texts:
            alike.setdefault((place, acl, rule, line), []).append(text)
    groups: dict[tuple[str, str | None, str | None], int] = {}
    lines = [",".join(_FIELDS).encode()]
    for (place, acl, rule, line), texts in alike.items():
        prefix = b"\n%d,%d," % (groups.setdefault((place, acl, rule), len(groups)), line)
        lines.append(prefix + b'","'.join(texts).replace(b'","', prefix))
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(_FIELDS, pl.String)
    schema |= {"group": pl.UInt32, "line": pl.UInt32, "t": pl.Int64}
    split = pl.scan_csv(
        b"".join(lines),
        schema=schema,
        quote_char=None,
        truncate_ragged_lines=True,
        ignore_errors=True,
        encoding="utf8-lossy",
    )
    # Folded on the group number, before the names of rules and ACLs are joined in.
    whole = pl.col("t").is_not_null() & pl.col("over").is_null()
    when = _epoch("t")
    apart = [span.inside(when).alias("inside"), span.slot(when).alias("slot")] if span != Span() else []
    key = [pl.col(name) for name in ("group", "src", "dst", "dport", "protocol", "direction", "decision")]
    folded = split.group_by(*key, whole.alias("whole"), in_era(when).alias("timely"), *apart).agg(
        first=pl.col("t").min(), last=pl.col("t").max(), rows=pl.len().cast(pl.UInt32), line=pl.col("line").min(),
    )  # fmt: skip
    names = pl.LazyFrame(list(groups), schema=dict.fromkeys(("place", "acl", "rule"), pl.String), orient="row")
    return folded.join(names.with_row_index("group"), on="group", how="left")


def _epoch(name: str) -> pl.Expr:
    """Seconds (NSG; also in VNet examples) or milliseconds (VNet): below 1e11 are seconds. Of either, no more than
    can be counted in microseconds."""
    number = pl.when(pl.col(name).is_between(0, _LATEST)).then(pl.col(name))
    return pl.when(number < 10**11).then(number * 1_000_000).otherwise(number * 1_000).cast(TIME)


def _entries(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Denied where the rule and ACL are `unspecified`: for encryption, which no rule can mend (same page, VNet)."""
    rule = unprefixed(pl.col("rule"))
    decision = pl.col("decision").str.to_uppercase()
    cause = (
        pl.when(
            (pl.col("rule").str.to_lowercase() == "unspecified") & (pl.col("acl").str.to_lowercase() == "unspecified")
        )
        .then(pl.lit("encryption"))
        .when(pl.col("rule").str.starts_with("DefaultRule"))
        .then(pl.lit("no rule"))
        .otherwise(pl.lit("deny rule"))
    )
    return raw.select(
        first_seen=_epoch("first"),
        last_seen=_epoch("last"),
        events=pl.col("rows").cast(pl.UInt64),
        src_ip="src",
        dst_ip="dst",
        dst_fqdn=pl.lit(None, pl.String),
        dst_port="dport",
        protocol="protocol",
        direction="direction",
        action=decision.replace_strict(
            {"D": "Deny", "A": "Allow", "B": "Allow", "C": "Allow", "E": "Allow"}, default=None, return_dtype=pl.String
        ),
        cause=pl.when(decision == "D").then(cause),
        rule=pl.when(rule != "").then(rule),
        plane=pl.lit("nsg"),
        device=present("acl"),
        fault=pl.when(~pl.col("whole") | decision.is_null()).then(pl.lit("malformed: not a flow tuple")),
        rows="rows",
        line="line",
        place="place",
    )


FORMAT: Final = Format(
    name="flowlog",
    tables={},  # no table has these records: they are known by `MARKS`
    columns=(),
    entries=_entries,
    logs={"flowlog": (NSG,)},
)
