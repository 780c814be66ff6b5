"""Knows Azure Firewall's structured logs: the AZFW* tables and diagnostic categories.

Columns: https://learn.microsoft.com/azure/azure-monitor/reference/tables/azfwnetworkrule and its neighbours.
"""

from typing import Final

import polars as pl

from fwlens.flow import APPLICATION, NAT, NETWORK
from fwlens.source.format import ALERT, Format, count, flowless, is_true, path, present, when_text

_FLOWLESS: Final = (
    "AZFWDnsQuery",
    "AZFWDnsFlowTrace",
    "AZFWFatFlow",
    "AZFWFlowTrace",
    "AZFWInternalFqdnResolutionFailure",
)
_NAT: Final = ("AZFWNatRule", "AZFWNatRuleAggregation")
_TABLES: Final = (
    "AZFWApplicationRule", "AZFWApplicationRuleAggregation", "AZFWIdpsSignature", "AZFWNetworkRule",
    "AZFWNetworkRuleAggregation", "AZFWThreatIntel", *_NAT, *_FLOWLESS,
)  # fmt: skip
_COLUMNS: Final = (
    "Protocol", "SourceIp", "DestinationIp", "DestinationPort", "Fqdn", "TargetUrl", "Url", "Action", "ActionReason",
    "Policy", "RuleCollectionGroup", "RuleCollection", "Rule", "IsTlsInspected", "TranslatedIp", "TranslatedPort",
    "ApplicationRuleCount", "NetworkRuleCount", "NatRuleCount", "IsDefaultRule",
    # read only to tell tables apart
    "ThreatDescription", "SignatureId", "QueryName", "QueryMessage", "FlowRate", "Flag", "Error", "ServerIp",
)  # fmt: skip
_MARKS: Final = (
    ("AZFWThreatIntel", ("ThreatDescription", "SourceIp")),
    ("AZFWIdpsSignature", ("SignatureId", "SourceIp")),
    ("AZFWDnsQuery", ("QueryName", "SourceIp")),
    ("AZFWDnsFlowTrace", ("QueryMessage", "ServerIp")),
    ("AZFWFatFlow", ("FlowRate", "SourceIp")),
    ("AZFWFlowTrace", ("Flag", "SourceIp")),
    ("AZFWInternalFqdnResolutionFailure", ("Fqdn", "Error", "ServerIp")),
    ("AZFWApplicationRuleAggregation", ("ApplicationRuleCount", "SourceIp")),
    ("AZFWNetworkRuleAggregation", ("NetworkRuleCount", "SourceIp")),
    ("AZFWNatRuleAggregation", ("NatRuleCount", "SourceIp")),
    ("AZFWNatRule", ("TranslatedIp", "SourceIp")),
    ("AZFWApplicationRule", ("Fqdn", "SourceIp", "Action")),
    ("AZFWNetworkRule", ("DestinationIp", "SourceIp", "Action")),
    ("AZFWApplicationRule", ("TargetUrl", "SourceIp", "Action")),
    ("AZFWApplicationRule", ("ActionReason", "SourceIp")),  # no host name: Fqdn and Action are empty
)


def _action() -> pl.Expr:
    """`Deny` and `Allow`; IDPS writes `deny` and `drop`. A NAT row has no Action: it was translated, so allowed.

    An application rule row with Action `""` and a reason was denied:
    `{"Protocol":"HTTPS","SourceIp":"10.0.0.4","Fqdn":"","Action":"","ActionReason":"SNI TLS extension was missing."}`
    """
    action = pl.col("Action").str.to_lowercase().str.strip_chars(" ")
    return (
        pl.when(pl.col("table").is_in(_NAT) | (action == "allow"))
        .then(pl.lit("Allow"))
        .when(action.is_in(["deny", "drop"]) | ((action.fill_null("") == "") & present("ActionReason").is_not_null()))
        .then(pl.lit("Deny"))
    )


def _cause(rule: pl.Expr) -> pl.Expr:
    reason = pl.col("ActionReason").fill_null("")
    return (
        pl.when(pl.col("table") == "AZFWThreatIntel")
        .then(pl.lit("threat intelligence"))
        .when(pl.col("table") == "AZFWIdpsSignature")
        .then(pl.lit("intrusion prevention"))
        .when(reason.str.contains("SNI ", literal=True))
        .then(pl.lit("no host name"))
        .when(rule.is_not_null() & ~reason.str.contains("(?i)default action") & ~is_true("IsDefaultRule"))
        .then(pl.lit("deny rule"))
        .otherwise(pl.lit("no rule"))
    )


def _protocol() -> pl.Expr:
    """TLS-inspected HTTPS is logged as `HTTP/1.1` with IsTlsInspected; the rule that allows it says https."""
    protocol = pl.col("Protocol").str.to_lowercase()
    versioned = protocol.str.starts_with("http/")
    inspected = is_true("IsTlsInspected") | protocol.str.starts_with("http/2")
    return (
        pl.when(versioned & inspected)
        .then(pl.lit("https"))
        .when(versioned)
        .then(pl.lit("http"))
        .otherwise(pl.col("Protocol"))
    )


def _entries(raw: pl.LazyFrame) -> pl.LazyFrame:
    rule = path("Policy", "RuleCollectionGroup", "RuleCollection", "Rule")
    url = pl.coalesce(present("TargetUrl"), present("Url"))
    nat = pl.col("table").is_in(_NAT)
    failed = pl.col("ActionReason").fill_null("").str.contains("(?i)failed to resolve")
    alert = pl.col("Action").str.to_lowercase().is_in(["alert", "log"]).fill_null(False)
    when = when_text(pl.col("time"))
    return raw.select(
        first_seen=when,
        last_seen=when,
        events=count("ApplicationRuleCount", "NetworkRuleCount", "NatRuleCount"),
        src_ip=present("SourceIp"),
        dst_ip=pl.when(nat)
        .then(pl.coalesce(present("TranslatedIp"), present("DestinationIp")))
        .otherwise(present("DestinationIp")),
        dst_fqdn=pl.coalesce(present("Fqdn"), url.str.extract(r"^(?:[a-z]+://)?([^/?#]+)")),
        dst_port=pl.when(nat)
        .then(pl.coalesce(present("TranslatedPort"), present("DestinationPort")))
        .otherwise(present("DestinationPort")),
        protocol=_protocol(),
        direction=pl.lit(None, pl.String),
        action=_action(),
        cause=pl.when(_action() == "Deny").then(_cause(rule)),
        rule=rule,
        plane=pl.lit("azure-firewall"),
        device=present("resource"),
        fault=pl.coalesce(
            flowless(_FLOWLESS),
            pl.when(alert).then(pl.lit(ALERT)),
            pl.when(failed).then(pl.lit("the firewall could not resolve the name: no rule decided")),
        ),
        rows=pl.lit(1, pl.UInt32),
        line="line",
    )


FORMAT: Final = Format(
    name="azfw",
    # https://learn.microsoft.com/azure/firewall/monitor-firewall-reference (two categories are named otherwise)
    tables={name: name for name in _TABLES}
    | {"AZFWDnsAdditional": "AZFWDnsFlowTrace", "AZFWFqdnResolveFailure": "AZFWInternalFqdnResolutionFailure"},
    columns=_COLUMNS,
    entries=_entries,
    marks=_MARKS,
    flowless=(*_FLOWLESS, "AZFWDnsAdditional", "AZFWFqdnResolveFailure"),
    logs={
        "AZFWApplicationRule": (APPLICATION,),
        "AZFWApplicationRuleAggregation": (APPLICATION,),
        "AZFWNetworkRule": (NETWORK,),
        "AZFWNetworkRuleAggregation": (NETWORK,),
        **dict.fromkeys(_NAT, (NAT,)),
    },
    allowed=('"Action":"Allow"',),
    denied=('"Deny"', '"deny"', '"Drop"', '"drop"', '"Action":""', '"DENY"'),
)
