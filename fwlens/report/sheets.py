"""Knows the tables of a page: each as a whole frame, which the page shows the beginning of."""

from collections.abc import Iterable
from typing import Final

import polars as pl

from fwlens.answer import destination
from fwlens.flow import TIME, service
from fwlens.ledger import Ledger
from fwlens.report.content import Column, Night, Sheet
from fwlens.rule import Recommendation, Unsaid

FREQUENT: Final = "most log entries first"
_INBOUND: Final = pl.col("direction") == "inbound"
_SEEN: Final = (Column("first_seen", "First seen", "time"), Column("last_seen", "Last seen", "time"))
_ENDS: Final = (
    Column("src_ip", "From", "code"),
    Column("destination", "To", "code"),
    Column("service", "Over", "code"),
    Column("events", "Entries", "number"),
)
_WHERE: Final = (
    Column("address", "Name was at", "code"),
    *_SEEN,
    Column("direction", "Direction", "choice"),
    Column("plane", "Denied at", "choice"),
    Column("device", "Device", "code"),
    Column("origin", "First written at", "code"),
)


def near_side() -> pl.Expr:
    """The machine of one's own that a flow is about: its source, or its destination where it came from outside."""
    return pl.when(_INBOUND).then(destination()).otherwise("src_ip")


def over() -> pl.Expr:
    """The service of a flow as it is written."""
    return service(pl.col("protocol"), pl.col("dst_port"))


def _told(flows: pl.DataFrame) -> pl.DataFrame:
    """Flows with what people look for: where to, over what, what denied them and where that is written.

    All that makes a flow another one is told, so that no two rows look alike.
    """
    return flows.with_columns(
        destination=destination(),
        address=pl.when(pl.col("dst_fqdn").is_not_null()).then("dst_ip"),
        service=over(),
        direction=pl.col("direction").cast(pl.String),
        cause=pl.col("cause").cast(pl.String),
        plane=pl.col("plane").cast(pl.String),
    )


def unexplained(night: Night) -> Sheet:
    """What no document asks for, with the needs that came nearest."""
    near = pl.col("near").list.eval(
        pl.format("{}: {}", pl.element().struct.field("requirement"), pl.element().struct.field("why"))
    )
    columns = (
        *_ENDS,
        Column("near", "Nearest need"),
        Column("cause", "Denied by", "choice"),
        Column("rule", "Rule"),
        *_WHERE,
    )
    frame = _told(night.answer.unexplained).with_columns(near=near.list.join("; "))
    caption = "Blocked flows that no document explains"
    return Sheet("unexplained", caption, FREQUENT, columns, _keyed(frame, columns))


def refused(night: Night) -> Sheet:
    """What is never to be allowed, and why."""
    why = pl.when(pl.col("cause") == "deny rule").then(pl.lit("a rule that is never to be overridden"))
    columns = (
        *_ENDS,
        Column("why", "Refused because of", "choice"),
        Column("rule", "Rule"),
        *_WHERE,
    )
    frame = _told(night.answer.refused).with_columns(why=why.otherwise("cause"))
    return Sheet("refused", "Blocked flows that stay blocked", FREQUENT, columns, _keyed(frame, columns))


def affected(night: Night) -> Sheet:
    """Machines × services: how many of their blocked flows have which verdict."""
    verdicts = ("needed", "unexplained", "refused")
    columns = (
        Column("machine", "Machine", "code"),
        Column("service", "Over", "code"),
        *(Column(name, name.capitalize(), "number") for name in verdicts),
        Column("events", "Entries", "number"),
        Column("needs", "Documented needs that are blocked"),
        *_SEEN,
        Column("direction", "Direction", "choice"),
    )
    denied = night.matched.filter(pl.col("action") == "Deny")
    frame = (
        denied.group_by(machine=near_side(), direction=pl.col("direction").cast(pl.String), service=over())
        .agg(
            *((pl.col("verdict") == name).sum().cast(pl.Int64).alias(name) for name in verdicts),
            pl.col("events").sum(),
            pl.col("first_seen").min(),
            pl.col("last_seen").max(),
            needs=pl.col("requirement").filter(pl.col("verdict") == "needed").unique().sort().str.join(", "),
        )
        .sort("events", "machine", "direction", "service", descending=[True, False, False, False], nulls_last=True)
    )
    caption = "Machines with blocked flows, by service"
    return Sheet("affected", caption, FREQUENT, columns, _keyed(frame, columns))


def _keyed(frame: pl.DataFrame, columns: Iterable[Column]) -> pl.DataFrame:
    return frame.select(column.key for column in columns)


def unsaid(found: Iterable[Unsaid]) -> Sheet:
    """Needed flows that no rule can allow, with the reason."""
    columns = (
        *_ENDS,
        *_SEEN,
        Column("platform", "Platform", "choice"),
        Column("requirement", "Need", "need"),
        Column("why", "Why no rule allows it"),
    )
    rows = [
        (flow.src_ip, flow.destination, flow.service, flow.events, flow.first_seen, flow.last_seen, *rest)
        for flow, rest in ((one.flow, (one.platform, one.requirement, one.why)) for one in found)
    ]
    kinds = {"number": pl.Int64(), "time": TIME}
    schema = {column.key: kinds.get(column.kind, pl.String()) for column in columns}
    caption = "Needed, and in no rule"
    return Sheet("unsaid", caption, "as recommended", columns, pl.DataFrame(rows, schema, orient="row"))


def rules(found: Iterable[Recommendation]) -> Sheet:
    """Every rule in a line, for those that have no card."""
    columns = (
        Column("id", "Rule", "rule"),
        Column("platform", "Platform", "choice"),
        Column("layer", "Layer", "choice"),
        Column("direction", "Direction", "choice"),
        Column("sources", "From", "code"),
        Column("destinations", "To", "code"),
        Column("services", "Over", "code"),
        Column("flows", "Flows", "number"),
        Column("events", "Entries", "number"),
        Column("needs", "Documented needs"),
        Column("urls", "Documents"),
        Column("doubts", "Doubts"),
    )
    rows = [
        (
            one.rule.id,
            one.rule.platform,
            one.rule.layer,
            one.rule.direction,
            " ".join(map(str, one.rule.sources)),
            " ".join(map(str, one.rule.destinations)),
            " ".join(map(str, one.rule.services)),
            one.evidence.flows,
            one.evidence.events,
            " ".join(citation.id for citation in one.citations),
            " ".join(dict.fromkeys(citation.url for citation in one.citations)),
            " ".join(one.doubts),
        )
        for one in found
    ]
    schema = {column.key: pl.Int64() if column.kind == "number" else pl.String() for column in columns}
    frame = pl.DataFrame(rows, schema, orient="row")
    return Sheet("rules", "All recommended rules", "as recommended", columns, frame)


def inputs(ledger: Ledger) -> Sheet:
    """Every file with what became of its rows."""
    columns = (
        Column("path", "File", "code"),
        Column("format", "Format", "choice"),
        Column("rows_read", "Rows read", "number"),
        Column("rows_used", "Used", "number"),
        Column("rows_set_aside", "Set aside", "number"),
    )
    rows = [
        (account.path, account.format, account.rows_read, account.rows_used, account.rows_set_aside)
        for account in ledger.inputs
    ]
    schema = {column.key: pl.Int64() if column.kind == "number" else pl.String() for column in columns}
    frame = pl.DataFrame(rows, schema, orient="row")
    return Sheet("inputs", "The ledger by file", "by path", columns, frame)


def set_aside(ledger: Ledger) -> Sheet:
    """Why rows were set aside, how many, and where the first of them stands."""
    columns = (
        Column("reason", "Reason"),
        Column("rows", "Rows", "number"),
        Column("first", "The first of them", "code"),
    )
    rows = [(entry.reason, entry.rows, entry.first) for entry in ledger.set_aside]
    schema = {column.key: pl.Int64() if column.kind == "number" else pl.String() for column in columns}
    frame = pl.DataFrame(rows, schema, orient="row")
    return Sheet("set-aside", "Rows that were set aside", "most rows first", columns, frame)
