"""Knows raw flow logs: NSG versions 1 and 2, VNet version 4. One shape, two tuples; the hot path of the whole tool.

https://learn.microsoft.com/azure/network-watcher/nsg-flow-logs-overview and .../vnet-flow-logs-overview

    {"records":[{"time":…,"resourceId":…,"properties":{"Version":2,"flows":[
        {"rule":"DefaultRule_DenyAllInBound","flows":[{"mac":…,"flowTuples":["1542110402,1.2.3.4,10.5.16.4,28746,443,U,I,D,B,,,,"]}]}]}}]}
    {"records":[{"time":…,"flowLogVersion":4,"flowRecords":{"flows":[{"aclID":…,"flowGroups":[
        {"rule":"UserRule_X","flowTuples":["1733975962447,10.1.0.4,40.1.6.2,123,123,17,O,D,NX,0,0,0,0"]}]}]}}]}

Field 8 decides: `D` in each version; `A` (NSG) or the flow states `B`, `C`, `E` (VNet) are allowed traffic. A group of
tuples whose bytes hold no `D` is counted and never decoded. The rest becomes lines that polars splits and folds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import polars as pl

from fwlens.flow import TIME
from fwlens.source.format import Format, present

TUPLES: Final = "flowTuples"
MALFORMED_RECORD: Final = "malformed: a flow-log record of another shape"


class _Group(msgspec.Struct):
    rule: str = ""
    flowTuples: msgspec.Raw = msgspec.Raw(b"[]")  # noqa: N815 - Azure's name


class _RuleFlows(msgspec.Struct):
    rule: str = ""
    flows: list[_Group] = []


class _Properties(msgspec.Struct):
    flows: list[_RuleFlows] | msgspec.UnsetType = msgspec.UNSET


class _Acl(msgspec.Struct):
    aclID: str = ""  # noqa: N815 - Azure's name
    flowGroups: list[_Group] = []  # noqa: N815 - Azure's name


class _FlowRecords(msgspec.Struct):
    flows: list[_Acl] = []


class Record(msgspec.Struct):
    """One minute of one network interface; either `properties` (NSG) or `flowRecords` (VNet) holds its flows."""

    resourceId: str = ""  # noqa: N815 - Azure's name
    properties: _Properties | None = None
    flowRecords: _FlowRecords | None = None  # noqa: N815 - Azure's name

    def groups(self) -> Iterator[tuple[str, str, msgspec.Raw]]:
        """Each group of tuples with the id of its ACL and the name of its rule."""
        for acl in self.flowRecords.flows if self.flowRecords else ():
            for group in acl.flowGroups:
                yield acl.aclID, group.rule, group.flowTuples
        if self.properties and self.properties.flows:
            for rule in self.properties.flows:
                for group in rule.flows:
                    yield self.resourceId, rule.rule, group.flowTuples

    @property
    def is_flow_log(self) -> bool:
        """Whether this is a flow-log record at all."""
        return self.flowRecords is not None or bool(self.properties and self.properties.flows is not msgspec.UNSET)


class _Blob(msgspec.Struct):
    records: list[Record]


_BLOB: Final = msgspec.json.Decoder(_Blob)
_RECORD: Final = msgspec.json.Decoder(Record)


@dataclass(slots=True)
class Tuples:
    """What the groups of one file hold: tuples as CSV lines, their groups, and what was only counted."""

    lines: list[bytes]
    acls: list[str]
    rules: list[str]
    rows: int = 0
    allowed: int = 0
    allowed_line: int = 0


def decode_blob(blob: bytes) -> list[Record] | None:
    """The records of a whole document, or None where it is no complete flow log (a cut or mixed file)."""
    try:
        records = _BLOB.decode(blob).records
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return records if all(record.is_flow_log for record in records) else None


def decode_record(text: str) -> Record | None:
    """One record, or None where it has another shape."""
    try:
        record = _RECORD.decode(text)
    except msgspec.DecodeError:
        return None
    return record if record.is_flow_log else None


def gather(records: Sequence[tuple[Record, int]], blob: bytes, *, with_allowed: bool) -> Tuples:
    """Collect the tuples of records (each with its line); in a `blob` of several lines each group's line is looked up."""
    found = Tuples([b"group,line,t,src,dst,sport,dport,protocol,direction,decision,f8,f9,f10,f11,f12,over"], [], [])
    many_lines = b"\n" in blob.rstrip()
    seen_to, line = 0, 1
    for record, record_line in records:
        for acl, rule, raw in record.groups():
            tuples = bytes(raw)
            if many_lines:
                start = blob.find(tuples, seen_to)
                line += blob.count(b"\n", seen_to, start)
                seen_to = start
            at = line if many_lines else record_line
            compact = _is_compact(tuples)
            if compact and not with_allowed and b"D" not in tuples:
                count = tuples.count(b'"') // 2
                found.rows += count
                found.allowed += count
                found.allowed_line = found.allowed_line or at
                continue
            prefix = b"\n%d," % len(found.rules)
            count, lines = _compact_lines(tuples, prefix, at) if compact else _loose_lines(tuples, prefix, at)
            found.rows += count
            found.lines.append(lines)
            found.acls.append(acl)
            found.rules.append(rule)
    return found


def _is_compact(tuples: bytes) -> bool:
    """`["a","b"]` without blanks or escapes, as Azure writes it: then quotes count the tuples and one replace splits."""
    return (
        tuples.startswith(b'["') and tuples.endswith(b'"]') and not any(mark in tuples for mark in (b" ", b"\n", b"\\"))
    )


def _compact_lines(tuples: bytes, prefix: bytes, line: int) -> tuple[int, bytes]:
    """How many tuples there are, and each as a line of CSV behind its group and line."""
    before = prefix + b"%d," % line
    count = tuples.count(b'","') + 1
    if count * 2 != tuples.count(b'"'):
        return _loose_lines(tuples, prefix, line)
    return count, before + tuples[2:-2].replace(b'","', before)


def _loose_lines(tuples: bytes, prefix: bytes, line: int) -> tuple[int, bytes]:
    """The same for an array in any layout, each tuple with its own line; what is no text becomes an empty tuple."""
    decoded = msgspec.json.decode(tuples)
    texts = decoded if isinstance(decoded, list) else [decoded]
    rows, seen_to = [], 0
    for text in texts:
        start = tuples.find(b'"', seen_to) if isinstance(text, str) else seen_to
        line += tuples.count(b"\n", seen_to, start)
        seen_to = start + len(msgspec.json.encode(text)) if isinstance(text, str) else start
        plain = text if isinstance(text, str) else ""
        rows.append(prefix + b"%d," % line + plain.encode().translate(None, b"\r\n"))
    return len(rows), b"".join(rows)


def lines_frame(found: Tuples) -> pl.LazyFrame:
    """The gathered tuples as raw rows: one text column per field, `over` for a field too many."""
    names = found.lines[0].decode().split(",")
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(names, pl.String)
    schema |= {"group": pl.UInt32, "line": pl.UInt32, "t": pl.Int64}
    tuples = pl.scan_csv(
        b"".join(found.lines), schema=schema, quote_char=None, truncate_ragged_lines=True, ignore_errors=True
    )
    # Folded on the group number, before the names of rules and ACLs are joined in.
    folded = tuples.group_by("group", "src", "dst", "dport", "protocol", "direction", "decision", full=pl.col("over").is_null()).agg(
        first=pl.col("t").min(), last=pl.col("t").max(), timeless=pl.col("t").is_null().any(),
        rows=pl.len().cast(pl.UInt32), line=pl.col("line").min(),
    )  # fmt: skip
    groups = pl.LazyFrame({"acl": found.acls, "rule": found.rules}, schema={"acl": pl.String, "rule": pl.String})
    return folded.join(groups.with_row_index("group"), on="group", how="left")


def _epoch(name: str) -> pl.Expr:
    """Seconds (NSG; also in VNet examples) or milliseconds (VNet): below 1e11 are seconds."""
    number = pl.col(name)
    return pl.when(number < 10**11).then(number * 1_000_000).otherwise(number * 1_000).cast(TIME)


def _entries(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Denied where the rule and ACL are `unspecified`: for encryption, which no rule can mend (same page, VNet)."""
    rule = pl.col("rule").str.strip_prefix("UserRule_").str.strip_prefix("DefaultRule_")
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
        fault=pl.when(pl.col("timeless") | ~pl.col("full") | decision.is_null()).then(
            pl.lit("malformed: not a flow tuple")
        ),
        rows="rows",
        line="line",
    )


FORMAT: Final = Format(
    name="flowlog",
    tables={name: "FlowLog" for name in ("NetworkSecurityGroupFlowEvent", "FlowLogFlowEvent")},
    columns=(),
    entries=_entries,
)
