"""Knows Traffic Analytics: NTANetAnalytics (VNet flow logs) and AzureNetworkAnalytics_CL (NSG flow logs).

https://learn.microsoft.com/azure/network-watcher/traffic-analytics-schema
The older table's columns carry their type as a suffix (`_s`, `_d`, `_t`), the newer one's do not.
"""

from typing import Final

import polars as pl

from fwlens.flow import NSG
from fwlens.source.format import Format, count, present, unprefixed, when_text

NTA: Final = "NTANetAnalytics"
CL: Final = "AzureNetworkAnalytics_CL"
_CL_NAMES: Final = {
    "SubType": "SubType_s", "FlowType": "FlowType_s", "FlowStatus": "FlowStatus_s", "FlowDirection": "FlowDirection_s",
    "FlowStartTime": "FlowStartTime_t", "FlowEndTime": "FlowEndTime_t",
    "FlowIntervalStartTime": "FlowIntervalStartTime_t", "SrcIp": "SrcIP_s", "DestIp": "DestIP_s",
    "DestPort": "DestPort_d", "L4Protocol": "L4Protocol_s", "SrcPublicIps": "SrcPublicIPs_s",
    "DestPublicIps": "DestPublicIPs_s", "AllowedInFlows": "AllowedInFlows_d", "AllowedOutFlows": "AllowedOutFlows_d",
    "DeniedInFlows": "DeniedInFlows_d", "DeniedOutFlows": "DeniedOutFlows_d", "AclRule": "NSGRule_s",
    "NsgList": "NSGList_s", "NsgRules": "NSGRules_s", "SrcSubnet": "Subnet1_s", "DestSubnet": "Subnet2_s",
}  # fmt: skip
_NTA_ONLY: Final = ("AclGroup", "NsgRule")
# Flow logs at the same interface write `DefaultRule_DenyAllInBound`; here the prefix is gone and the case too.
_DEFAULT_RULES: Final = (
    "allowvnetinbound", "allowazureloadbalancerinbound", "denyallinbound",
    "allowvnetoutbound", "allowinternetoutbound", "denyalloutbound",
)  # fmt: skip


def _named(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Both tables under the newer one's names."""
    old = pl.col("table") == CL
    return raw.with_columns(
        *(pl.when(old).then(present(theirs)).otherwise(present(ours) if ours != "NsgRules" else None).alias(ours)
          for ours, theirs in _CL_NAMES.items())
    )  # fmt: skip


def _denied() -> pl.Expr:
    """The documented values are `A` and `D`, the real ones `Allowed` and `Denied`; without either the counters tell."""
    status = pl.col("FlowStatus").str.to_lowercase().str.slice(0, 1)
    counted = pl.sum_horizontal(
        pl.col(name).cast(pl.Float64, strict=False).fill_null(0) for name in ("DeniedInFlows", "DeniedOutFlows")
    )
    return pl.when(status.is_in(["a", "d"])).then(status == "d").otherwise(counted > 0)


def _with_peers(rows: pl.LazyFrame) -> pl.LazyFrame:
    """One row per peer. The public side's own column is empty; its peers are packed into a list column.

    `68.69.186.182|8|0|0|0|0|0 52.1.2.3|1|0|0|0|0|0`: address, flows started, ended, packets and bytes out and in.
    The row of the log is counted once, on its first peer.
    """
    packed = (
        pl.when(pl.col("SrcIp").is_null()).then("SrcPublicIps").when(pl.col("DestIp").is_null()).then("DestPublicIps")
    )
    peers = packed.str.strip_chars(" ").str.replace_all(r" +", " ").str.split(" ")
    field = pl.col("peer").str.split("|")
    return (
        rows.with_columns(peer=peers)
        .with_columns(index=pl.int_ranges(0, pl.col("peer").list.len()))
        .explode("peer", "index", empty_as_null=True, keep_nulls=True)
        .with_columns(
            peer_ip=field.list.get(0, null_on_oob=True),
            peer_flows=field.list.get(1, null_on_oob=True),
            rows=pl.when(pl.col("index").fill_null(0) == 0).then(1).otherwise(0).cast(pl.UInt32),
        )
    )


def _device() -> pl.Expr:
    """The ACL as a resource id; the older table packs it as `subscription/group/name`."""
    packed = pl.col("NsgList").str.extract_groups(r"^(?P<s>[^/]+)/(?P<g>[^/]+)/(?P<n>[^/]+)$")
    names = [packed.struct.field(part) for part in "sgn"]
    template = "/subscriptions/{}/resourcegroups/{}/providers/microsoft.network/networksecuritygroups/{}"
    built = pl.when(names[0].is_not_null()).then(pl.format(template, *names))
    group = present("AclGroup")
    return pl.coalesce(pl.when(group.str.to_lowercase() != "unspecified").then(group), built)


def _rule() -> pl.Expr:
    """`UserRule_X`, `X`, or inside `0|UserRule_X|O|D|12` (NSGRules_s)."""
    packed = pl.col("NsgRules").str.split("|").list.get(1, null_on_oob=True)
    name = pl.coalesce("AclRule", present("NsgRule"), packed)
    return unprefixed(name)


def _entries(raw: pl.LazyFrame) -> pl.LazyFrame:
    rule = _rule()
    started = pl.coalesce(
        when_text(pl.col("FlowStartTime")), when_text(pl.col("FlowIntervalStartTime")), when_text(pl.col("time"))
    )
    cause = (
        pl.when(pl.col("FlowType") == "MaliciousFlow")
        .then(pl.lit("threat intelligence"))
        .when(rule.str.to_lowercase() == "unspecified")
        .then(pl.lit("encryption"))
        .when(rule.is_null() | rule.str.to_lowercase().is_in(_DEFAULT_RULES))
        .then(pl.lit("no rule"))
        .otherwise(pl.lit("deny rule"))
    )
    own = (
        pl.when("denied")
        .then(count("DeniedInFlows", "DeniedOutFlows"))
        .otherwise(count("AllowedInFlows", "AllowedOutFlows"))
    )
    rows = _with_peers(_named(raw).with_columns(denied=_denied()))
    return rows.select(
        first_seen=started,
        last_seen=pl.max_horizontal(when_text(pl.col("FlowEndTime")), started),
        events=pl.when(pl.col("peer_flows").is_null()).then(own).otherwise(count("peer_flows")),
        src_ip=pl.coalesce("SrcIp", "peer_ip"),
        dst_ip=pl.when(pl.col("SrcIp").is_null()).then("DestIp").otherwise(pl.coalesce("DestIp", "peer_ip")),
        dst_fqdn=pl.lit(None, pl.String),
        dst_port="DestPort",
        protocol="L4Protocol",
        direction="FlowDirection",
        action=pl.when("denied").then(pl.lit("Deny")).otherwise(pl.lit("Allow")),
        cause=pl.when("denied").then(cause),
        rule=rule,
        plane=pl.lit("nsg"),
        device=_device(),
        fault=pl.when(pl.col("SubType") != "FlowLog").then(pl.lit("Traffic Analytics: not a flow (SubType)")),
        rows="rows",
        line="line",
    )


def _subnets(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Both ends of denied rows with the subnets named for them: `rg-ml/vnet-ml/snet-compute`, never a range."""
    denied = _named(raw).filter(_denied())
    ends = (("SrcIp", "SrcSubnet"), ("DestIp", "DestSubnet"))
    return pl.concat([denied.select(address=ip, subnet=name) for ip, name in ends]).drop_nulls().unique()


FORMAT: Final = Format(
    name="traffic",
    tables={NTA: NTA, CL: CL},
    columns=tuple(dict.fromkeys([*(n for n in _CL_NAMES if n != "NsgRules"), *_NTA_ONLY, *_CL_NAMES.values()])),
    entries=_entries,
    marks=((NTA, ("FlowStatus", "L4Protocol")), (CL, ("FlowStatus_s", "L4Protocol_s"))),
    allowed=('"FlowStatus":"Allowed"', '"FlowStatus":"A"', '"FlowStatus_s":"A"'),
    denied=('"Denied"', '"D"'),
    logs={NTA: (NSG,), CL: (NSG,)},
    subnets=_subnets,
)
