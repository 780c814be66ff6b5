"""Knows the Flow frame: its schema and laws, how log entries become flows, and how flows fold.

A *log entry* is one row, line or tuple of a log, still in the log's own words (`ENTRY`). `conform` puts it into ours
(`FLOW`) and sets aside what breaks a law. `fold` keeps one row per conversation; it is associative and commutative, so
a blob, a thread or a Spark partition may fold its share and the shares fold again. `MATCHED` adds the verdict.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from fwlens import address
from fwlens.rule import HOST_LENGTH, LABEL, PORTLESS, TOP_LABEL, TRANSPORT

Columns = dict[str, pl.DataType | type[pl.DataType]]

TIME: Final = pl.Datetime("us", "UTC")
DIRECTIONS: Final = pl.Enum(["inbound", "outbound"])
ACTIONS: Final = pl.Enum(["Allow", "Deny"])
PLANES: Final = pl.Enum(["azure-firewall", "nsg"])
CAUSES: Final = pl.Enum(
    ["no rule", "deny rule", "threat intelligence", "intrusion prevention", "no host name", "encryption"]
)
VERDICTS: Final = pl.Enum(["needed", "unexplained", "refused", "working", "surplus"])

APPLICATION: Final = "firewall application rules"
NETWORK: Final = "firewall network rules"
NAT: Final = "firewall nat rules"
NSG: Final = "nsg flows"

_FLOW: Final[Columns] = {
    "first_seen": TIME,
    "last_seen": TIME,
    "events": pl.UInt64,
    "src_ip": pl.String,
    "dst_ip": pl.String,
    "dst_fqdn": pl.String,
    "dst_port": pl.UInt16,
    "protocol": pl.String,
    "direction": DIRECTIONS,
    "action": ACTIONS,
    "cause": CAUSES,
    "rule": pl.String,
    "plane": PLANES,
    "device": pl.String,
    "origin": pl.String,
}
FLOW: Final = pl.Schema(_FLOW)
"""One row per conversation, in ASIM's names (https://learn.microsoft.com/azure/sentinel/normalization-schema-network).

Times are UTC. `events` counts log entries. `dst_port` is null for protocols without ports, `cause` for allowed flows,
`rule` where no rule is named. `device` is the deciding firewall or ACL, in lower case. `origin` is `file:line`, or the
place alone where no line of it is known.
There is no source port: it is noise to a rule.
"""
KEY: Final = (
    "src_ip", "dst_ip", "dst_fqdn", "dst_port", "protocol", "direction", "action", "cause", "rule", "plane", "device",
)  # fmt: skip

_ENTRY: Final[Columns] = {
    "first_seen": TIME,
    "last_seen": TIME,
    "events": pl.UInt64,
    **dict.fromkeys(KEY, pl.String),
    "fault": pl.String,
    "slot": TIME,
    "place": pl.String,
    "rows": pl.UInt64,
    "line": pl.UInt32,
}
ENTRY: Final = pl.Schema(_ENTRY)
"""Log entries as a format reads them: texts as logged, `rows` of the log they stand for, `line` of the first one
(0 where many rows were folded before they got here).

`fault` says why an entry yields no flow (it is allowed, an alert, not to be parsed …) and is null for all others.
The reader adds two columns that formats do not know: `slot`, the time from which on an entry is counted apart (`Span`),
and `place`, the file that it stands in.
"""
ENTRY_KEY: Final = (*KEY, "fault", "slot", "place")

_MATCHED: Final[Columns] = {
    **_FLOW,
    "requirement": pl.String,
    "way": pl.UInt8,
    "by": pl.String,
    "service": pl.String,
    "width": pl.Float64,
    "verdict": VERDICTS,
}
MATCHED: Final = pl.Schema(_MATCHED)
"""A flow with the narrowest requirement that explains it: its id, which of its ways, by which endpoint and service of
that way (regions bound), how wide that endpoint is (comparable for one flow only), and the verdict. Null where nothing
explains the flow."""

_PROTOCOLS: Final = {
    **{name: name for name in (*TRANSPORT, *PORTLESS)},
    "t": "tcp", "u": "udp", "i": "icmp", "icmp6": "icmpv6", "any": "ip",
    # https://www.iana.org/assignments/protocol-numbers
    "1": "icmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "51": "ah", "58": "icmpv6", "132": "sctp",
}  # fmt: skip
_PLAIN_NAME: Final = rf"^(?:{LABEL}\.)*{TOP_LABEL}$"
UNPRINTABLE: Final = r"[\p{C}\p{Zl}\p{Zp}]"
"""What is never shown of a text of a log: control and format characters, ends of lines and paragraphs."""
_ASCII: Final = r"^[\x00-\x7F]*$"
_NAME_LENGTH: Final = 300
_MANY: Final = 100_000
_RECURS: Final = 10
# Times outside of these years are damage (a date library of another platform could not even print them).
_ERA: Final = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def in_era(when: pl.Expr) -> pl.Expr:
    """Whether a time can be one of a log at all; none cannot."""
    return when.is_between(*_ERA).fill_null(value=False)


LAWS: Final[dict[str, pl.Expr]] = {
    "time": in_era(pl.col("first_seen")) & in_era(pl.col("last_seen")),
    "source address": pl.col("src_ip").is_not_null(),
    "destination address": pl.col("dst_ip").is_not_null() | (pl.col("dst_ip_text").fill_null("") == ""),
    "plain host name": pl.col("dst_fqdn").is_null()
    | (pl.col("dst_fqdn").str.contains(_PLAIN_NAME) & (pl.col("dst_fqdn").str.len_bytes() <= HOST_LENGTH)),
    "destination": pl.col("dst_ip").is_not_null()
    | pl.col("dst_fqdn").is_not_null()
    | (pl.col("cause") == "no host name").fill_null(False),
    "protocol": pl.col("protocol").is_not_null(),
    "port": pl.col("protocol").is_in(PORTLESS).fill_null(True)
    | (pl.col("dst_port") > 0).fill_null(False)
    | (pl.col("cause") == "no host name").fill_null(False),
    "direction": pl.col("direction").is_not_null(),
    "action": pl.col("action").is_not_null(),
    "events": pl.col("events") > 0,
}
"""What every flow obeys. `plain host name` is the gate against hostile text: a name is whatever a client sent."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is asked for: from `since` on and before `until` (UTC), and slots of `every` to keep apart."""

    since: datetime | None = None
    until: datetime | None = None
    every: timedelta | None = None

    def inside(self, when: pl.Expr) -> pl.Expr:
        """Whether a time lies in the span; one that is no time does not lie outside."""
        after = when >= pl.lit(self.since, TIME) if self.since else pl.lit(value=True)
        before = when < pl.lit(self.until, TIME) if self.until else pl.lit(value=True)
        return (after & before).fill_null(value=True)

    def slot(self, when: pl.Expr) -> pl.Expr:
        """When the slot of a time begins, null where slots are not asked for."""
        return when.dt.truncate(self.every) if self.every else pl.lit(None, TIME)


def fold_entries(entries: pl.LazyFrame) -> pl.LazyFrame:
    """Entries with equal texts as one, before any text is looked at: what keeps the costly work off the hot path.

    Those whose time or count breaks a law stay apart: as a part of others they would take them along, or be hidden.
    """
    lawful = [LAWS[name].fill_null(value=False).alias(f"lawful {name}") for name in ("time", "events")]
    return (
        entries.group_by(*ENTRY_KEY, *lawful)
        .agg(
            pl.col("first_seen").min(),
            pl.col("last_seen").max(),
            pl.col("events").sum(),
            pl.col("rows").sum(),
            pl.col("line").min(),
        )
        .drop("lawful time", "lawful events")
    )


def _with_addresses(entries: pl.DataFrame) -> pl.DataFrame:
    """Canonical `src_ip` and `dst_ip`; a destination name that is an address moves to `dst_ip`."""
    host = pl.col("dst_fqdn").str.strip_chars(" \t").str.replace(r"^([^:]+|\[.*\]):[0-9]+$", "$1")
    frame = entries.with_columns(dst_fqdn=host, dst_ip_text=pl.col("dst_ip"))
    names = ("src_ip", "dst_ip", "dst_fqdn")
    known = address.parse(pl.concat([frame[name] for name in names])).filter(pl.col("ip").is_not_null())
    for name in names:
        columns = {"text": name, "ip": f"{name}_canonical", "number": f"{name}_number"}
        frame = frame.join(known.rename(columns), on=name, how="left", maintain_order="left")
    from_name = pl.col("dst_fqdn_canonical")
    return frame.with_columns(
        src_ip=pl.col("src_ip_canonical"),
        dst_ip=pl.coalesce("dst_ip_canonical", from_name),
        dst_fqdn=pl.when(from_name.is_null()).then("dst_fqdn"),
    )


def _clean(name: str) -> pl.Expr:
    """A name of a rule or resource, free text to us: no control, bidi or line characters, of bounded length."""
    text = pl.col(name).str.replace_all(UNPRINTABLE, "\N{REPLACEMENT CHARACTER}").str.slice(0, _NAME_LENGTH)
    return pl.when(text != "").then(text).alias(name)


def _direction() -> pl.Expr:
    """As logged; where the log has none (Azure Firewall), inbound is what comes from a public address."""
    logged = pl.col("direction").str.to_lowercase().str.slice(0, 1).replace_strict(
        {"i": "inbound", "o": "outbound"}, default=None, return_dtype=DIRECTIONS
    )  # fmt: skip
    public = ~address.is_private(pl.col("src_ip_number"))
    derived = pl.when(public).then(pl.lit("inbound", DIRECTIONS)).otherwise(pl.lit("outbound", DIRECTIONS))
    return pl.when(pl.col("direction").is_null()).then(derived).otherwise(logged).alias("direction")


def conform(entries: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Entries as flows, and what breaks a law.

    Returns the flows (`FLOW`, `slot`, `place` and `rows`, not folded) and the rest (`place`, `reason`, `rows`, `line`).
    """
    faulty = entries.filter(pl.col("fault").is_not_null()).select("place", "rows", "line", reason="fault")
    sound = _with_addresses(entries.filter(pl.col("fault").is_null()))
    protocol = pl.col("protocol").str.strip_chars(" ").str.to_lowercase().str.replace(r"^(icmp(?:v6)?) .*$", "$1")
    host = pl.col("dst_fqdn")
    other_number = pl.when(protocol.str.contains(r"^[0-9]{1,3}$")).then(pl.lit("ip"))
    flows = (
        sound.with_columns(
            _direction(),
            _clean("rule"),
            _clean("device").str.to_lowercase(),
            # Only ASCII has a lower case here: U+212A (the Kelvin sign) would become a plain k.
            dst_fqdn=pl.when(host.str.contains(_ASCII))
            .then(host.str.to_lowercase().str.strip_suffix("."))
            .otherwise(host),
            protocol=pl.coalesce(protocol.replace_strict(_PROTOCOLS, default=None), other_number),
            dst_port=pl.col("dst_port").str.replace(r"\.0$", "").cast(pl.UInt16, strict=False),
            action=pl.col("action").replace_strict(
                {"Allow": "Allow", "Deny": "Deny"}, default=None, return_dtype=ACTIONS
            ),
            cause=pl.col("cause").cast(CAUSES),
            plane=pl.col("plane").cast(PLANES),
            origin=pl.when(pl.col("line") > 0).then(pl.concat_str("place", pl.lit(":"), "line")).otherwise("place"),
        )
        .with_columns(
            dst_fqdn=pl.when(pl.col("dst_fqdn") != "").then("dst_fqdn"),
            dst_port=pl.when(~pl.col("protocol").is_in(PORTLESS)).then("dst_port"),
        )
        .with_columns(
            broken=pl.concat_list(pl.when(~law.fill_null(False)).then(pl.lit(name)) for name, law in LAWS.items())
            .list.drop_nulls()
            .list.join(", ")
        )
    )
    good = flows.filter(pl.col("broken") == "").select(*FLOW, "slot", "place", "rows")
    bad = flows.filter(pl.col("broken") != "").select(
        "place", "rows", "line", reason=pl.concat_str(pl.lit("breaks the law of: "), "broken")
    )
    return good, pl.concat([faulty, bad]).select("place", "reason", "rows", "line")


def fold(flows: pl.LazyFrame | pl.DataFrame, *by: str) -> pl.DataFrame:
    """One row per conversation (`KEY`, and the columns of `by`), in a total order.

    Folding folded parts again gives the same as folding all. Rules that differ in case only are one rule, as in Azure.
    """
    key = (*by, *(name for name in KEY if name != "rule"))
    every = flows.lazy().collect().select(*by, *FLOW)
    folded = (
        numbered(every.with_columns(folded=pl.col("rule").str.to_lowercase()))
        .lazy()
        .group_by(*key, "folded")
        .agg(
            pl.col("first_seen").min(),
            pl.col("last_seen").max(),
            pl.col("events").sum(),
            pl.col("origin").min(),
            pl.col("rule").min(),
        )
        .sort(*key, "folded", nulls_last=True)
        .select(*by, *FLOW)
        .collect()  # the streaming engine holds a quarter more at a time
    )
    return folded.cast(every.schema)


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    """The same frame, in a large one with texts that recur as numbers in their order: keys of 30 bytes in place of 300
    is what folding, sorting and joining millions of rows take in memory and time."""
    if frame.height < _MANY:
        return frame
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    distinct = frame.select(pl.col(texts).approx_n_unique()).row(0, named=True)
    recurring = [frame[name] for name in texts if distinct[name] * _RECURS < frame.height]
    return frame.with_columns(texts.cast(pl.Enum(texts.drop_nulls().unique().sort())) for texts in recurring)


def empty() -> pl.DataFrame:
    """The Flow frame without rows."""
    return pl.DataFrame(schema=FLOW)


def log() -> pl.Expr:
    """Which log tells of a flow, as each may be sent or not: that of an NSG, or that of what the application or network
    rules of a firewall decided; null for what its threat intelligence and intrusion prevention did."""
    by_name, feature = ["http", "https", "mssql"], ["threat intelligence", "intrusion prevention"]
    return (
        pl.when(pl.col("plane") == "nsg")
        .then(pl.lit(NSG))
        .when(~pl.col("cause").is_in(feature).fill_null(value=False))
        .then(pl.when(pl.col("protocol").is_in(by_name)).then(pl.lit(APPLICATION)).otherwise(pl.lit(NETWORK)))
    )


def service(protocol: pl.Expr, port: pl.Expr) -> pl.Expr:
    """The notation of a flow's service: `https/443`, `icmp`."""
    return pl.when(port.is_null()).then(protocol).otherwise(pl.concat_str(protocol, pl.lit("/"), port))
