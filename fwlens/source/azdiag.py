"""Knows Azure Firewall's legacy logs: one sentence per entry, in AzureDiagnostics (`msg_s`) or in `properties.msg`.

The sentences are anchored on their known labels and never split at dots: rule names, signatures and hosts hold dots.
No part that a client can write pretends to be a label: a host holds no blank; of a sentence with a URL, which may hold
anything, the last action is believed, for all behind it is the firewall's own.
"""

from typing import Final

import polars as pl

from fwlens.flow import APPLICATION, NAT, NETWORK
from fwlens.source.format import ALERT, NO_FLOWS, Format, present, when_text

_CATEGORIES: Final = (
    "AzureDiagnostics",
    "AzureFirewallApplicationRule",
    "AzureFirewallNetworkRule",
    "AzureFirewallNatRule",
)
_DNS: Final = "AzureFirewallDnsProxy"

# TCP request from 10.1.1.1:12 to 10.2.2.2:80. Action: Deny.. Policy: p. Rule Collection Group: g. Rule Collection: c. …
# HTTPS request from 10.1.1.1:555 to a.b.com:443. Action: Deny. No rule matched. Proceeding with default action
# HTTP  request from 10.1.1.1:555 to a.b.com:80. Url: a.b.com/x. Action: Allow. Rule Collection: c. Rule: r
# HTTPS request from 10.1.1.1:555. Action: Deny. Reason: SNI TLS extension was missing.
# HTTPS request from 10.1.1.1:555 was denied. Reason: SNI TLS extension was missing.
# TCP request from 1.2.3.4:1 to 5.6.7.8:3389 was DNAT'ed to 10.1.1.1:3389
# ICMP Type=8 request from 10.1.1.1: to 10.2.2.2:. Action: alert. Signature: 2100366. IDS: ICMP_INFO *NIX. Priority: 3
_HEAD: Final = (
    r"^(?P<protocol>[A-Za-z0-9/.]+(?: Type=[0-9]+)?)\s+request from (?P<source>\S+?)"
    r"(?: to (?P<destination>\S+?))?(?: was DNAT'ed to (?P<translated>\S+?))?(?P<denied> was denied)?"
    r"(?:(?:\.+\s+Url:.*)?\s?\.+\s+Action: (?P<action>[A-Za-z]+))?(?P<tail>\s*\.+(?:\s.*)?)?\s*$"
)
_PORTED: Final = r"^(?:\[([^\]]+)\]|(.+?)):([0-9]*)$"


def _host(name: str) -> pl.Expr:
    """The host of `ip:port`, `[ip]:port`, `name:port`, a bare `ip`, or `ip:` (IDPS on ICMP)."""
    end = pl.col(name)
    portless = pl.col("protocol").str.to_lowercase().str.starts_with("icmp") & ~end.str.contains(r"^\[|^[0-9.]+:")
    return (
        pl.when(portless)
        .then(end.str.replace("([0-9a-fA-F]):$", "$1"))
        .otherwise(pl.coalesce(end.str.extract(_PORTED, 1), end.str.extract(_PORTED, 2), end.str.strip_chars("[]")))
    )


def _rule() -> pl.Expr:
    tail = pl.col("tail")
    names = (
        tail.str.extract(r"^[\s.]*Policy: (.*?)\. Rule Collection"),
        tail.str.extract(r"Rule Collection Group: (.*?)\. Rule Collection: "),
        tail.str.extract(r"Rule Collection: (.*?)\. Rule(?: Name)?: "),
        tail.str.extract(r"\. Rule(?: Name)?: (.*?)(?:\. Web Category: .*)?[\s.]*$"),
    )
    named = [pl.when(name != "").then(name) for name in names]
    joined = pl.concat_str(*named, separator=" / ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _with_parts(raw: pl.LazyFrame) -> pl.LazyFrame:
    return (
        raw.with_columns(pl.col("msg").str.extract_groups(_HEAD).alias("parts"))
        .unnest("parts")
        .with_columns(tail=pl.col("tail").fill_null(""))
    )


def _fault() -> pl.Expr:
    msg, tail = pl.col("msg").fill_null(""), pl.col("tail")
    action = pl.col("action").str.to_lowercase()
    decided = pl.col("denied").is_not_null() | pl.col("translated").is_not_null() | action.is_not_null()
    dns = (pl.col("table") == _DNS) | msg.str.contains(r"^\s*(?:DNS Request: |Error: )")
    return (
        pl.when(dns)
        .then(pl.lit(f"{_DNS}: {NO_FLOWS}"))
        .when(msg.str.starts_with("Failed to resolve FQDN"))
        .then(pl.lit(f"AzureFirewallDNSResolutionFailureLog: {NO_FLOWS}"))
        .when(tail.str.contains("Failed to resolve address", literal=True))
        .then(pl.lit("the firewall could not resolve the name: no rule decided"))
        .when(action == "alert")
        .then(pl.lit(ALERT))
        .when(pl.col("source").is_null() | ~decided)
        .then(pl.lit("malformed: not a sentence of Azure Firewall"))
    )


def _entries(raw: pl.LazyFrame) -> pl.LazyFrame:
    when, tail, action = when_text(pl.col("time")), pl.col("tail"), pl.col("action").str.to_lowercase()
    denied = pl.col("denied").is_not_null() | action.is_in(["deny", "drop"]).fill_null(False)
    goal = pl.coalesce("translated", "destination")
    cause = (
        pl.when(tail.str.contains(". ThreatIntel: ", literal=True))
        .then(pl.lit("threat intelligence"))
        .when(tail.str.contains(r"\. Signature: [0-9]*\. IDS: "))
        .then(pl.lit("intrusion prevention"))
        .when(tail.str.contains(r"Reason: SNI "))
        .then(pl.lit("no host name"))
        .when(_rule().is_not_null() & ~tail.str.contains("(?i)default action"))
        .then(pl.lit("deny rule"))
        .otherwise(pl.lit("no rule"))
    )
    return (
        _with_parts(raw)
        .with_columns(goal=goal)
        .select(
            first_seen=when,
            last_seen=when,
            events=pl.lit(1, pl.UInt64),
            src_ip=_host("source"),
            dst_ip=pl.lit(None, pl.String),
            dst_fqdn=_host("goal"),
            dst_port=pl.col("goal").str.extract(_PORTED, 3),
            protocol="protocol",
            direction=pl.lit(None, pl.String),
            action=pl.when(denied)
            .then(pl.lit("Deny"))
            .when((action == "allow") | pl.col("translated").is_not_null())
            .then(pl.lit("Allow")),
            cause=pl.when(denied).then(cause),
            rule=_rule(),
            plane=pl.lit("azure-firewall"),
            device=present("resource"),
            fault=_fault(),
            rows=pl.lit(1, pl.UInt32),
            line="line",
        )
    )


FORMAT: Final = Format(
    name="azdiag",
    tables={name: name for name in (*_CATEGORIES, _DNS)},
    columns=("msg",),
    entries=_entries,
    marks=(("AzureDiagnostics", ("msg",)),),
    flowless=(_DNS,),
    logs={
        "AzureDiagnostics": (APPLICATION, NAT, NETWORK),
        "AzureFirewallApplicationRule": (APPLICATION,),
        "AzureFirewallNetworkRule": (NETWORK,),
        "AzureFirewallNatRule": (NAT,),
    },
    allowed=("Action: Allow",),
    denied=("Action: Deny", "Action: deny", "Action: drop", "was denied"),
)
