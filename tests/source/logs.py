"""Small logs as Azure writes them, and readings of them, for the tests of `fwlens.source`."""

import io
import json
from datetime import UTC, datetime
from typing import Any

from fwlens import source
from fwlens.ledger import UNACCOUNTED
from fwlens.source import Flows

Record = dict[str, Any]

TIME = "2025-11-26T02:14:47.139739+00:00"
WHEN = datetime(2025, 11, 26, 2, 14, 47, 139739, tzinfo=UTC)
SECOND = 1_764_123_287
SINCE = datetime(2025, 11, 26, 2, 14, 47, tzinfo=UTC)
FIREWALL = "/SUBSCRIPTIONS/S/RESOURCEGROUPS/NET/PROVIDERS/MICROSOFT.NETWORK/AZUREFIREWALLS/HUB"
NSG = "/SUBSCRIPTIONS/S/RESOURCEGROUPS/NET/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/NSG-ML"
ALLOWED = "allowed: counted, not decoded (--with-allowed decodes it)"
ALERT = "alert: logged and not denied (its rule table has the flow)"


def dump(value: object) -> str:
    """Compact JSON, as Azure writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def jsonl(*records: object) -> str:
    return "".join(dump(record) + "\n" for record in records)


def document(*records: object) -> str:
    return dump({"records": list(records)})


def entry(table: str, **properties: Any) -> Record:
    """A storage record of a structured table."""
    return {"time": TIME, "resourceId": FIREWALL, "category": table, "properties": properties}


def network(action: str = "Deny", **over: Any) -> Record:
    """An AZFWNetworkRule record: as the default deny writes it, or allowed by a rule."""
    rule = "" if action == "Deny" else "web"
    return entry(
        "AZFWNetworkRule",
        **{
            "Protocol": "TCP", "SourceIp": "10.0.0.4", "SourcePort": 50123, "DestinationIp": "203.0.113.7",
            "DestinationPort": 443, "Action": action, "ActionReason": "" if rule else "Default Action",
            "Policy": rule and "hub", "RuleCollectionGroup": rule and "base", "RuleCollection": rule and "out",
            "Rule": rule,
        } | over,
    )  # fmt: skip


def application(action: str = "Deny", **over: Any) -> Record:
    """An AZFWApplicationRule record."""
    return entry(
        "AZFWApplicationRule",
        **{
            "Protocol": "HTTPS", "SourceIp": "10.0.0.4", "SourcePort": 50123, "DestinationPort": 443,
            "Fqdn": "pypi.example.org", "TargetUrl": "", "Action": action, "ActionReason": "Default Action",
            "Policy": "", "RuleCollectionGroup": "", "RuleCollection": "", "Rule": "", "IsTlsInspected": False,
            "WebCategory": "", "IsExplicitProxyRequest": False,
        } | over,
    )  # fmt: skip


def legacy(msg: str, category: str = "AzureFirewallNetworkRule", **over: Any) -> Record:
    """A storage record of the legacy text format."""
    return {
        "category": category, "time": TIME, "resourceId": FIREWALL, "operationName": f"{category}Log",
        "properties": {"msg": msg},
    } | over  # fmt: skip


def nsg(*tuples: object, rule: str | None = "DefaultRule_DenyAllOutBound", version: int = 2, **over: Any) -> Record:
    """An NSG flow-log record with one group of tuples."""
    return {
        "time": TIME, "systemId": "8af2", "macAddress": "000D3A359573", "category": "NetworkSecurityGroupFlowEvent",
        "resourceId": NSG, "operationName": "NetworkSecurityGroupFlowEvents",
        "properties": {
            "Version": version, "flows": [{"rule": rule,
             "flows": [{"mac": "000D3A359573", "flowTuples": list(tuples)}]}]
        },
    } | over  # fmt: skip


def vnet(*tuples: object, rule: str | None = "DefaultRule_DenyAllOutBound", acl: str | None = NSG) -> Record:
    """A VNet flow-log record with one group of tuples."""
    return {
        "time": TIME, "flowLogVersion": 4, "flowLogGUID": "5f2a", "macAddress": "000D3A359573",
        "category": "FlowLogFlowEvent", "flowLogResourceID": "/SUBSCRIPTIONS/S/…/FLOWLOGS/ML",
        "targetResourceID": "/subscriptions/s/…/virtualNetworks/ml", "operationName": "FlowLogFlowEvent",
        "flowRecords": {"flows": [{"aclID": acl, "flowGroups": [{"rule": rule, "flowTuples": list(tuples)}]}]},
    }  # fmt: skip


NSG_DENIED = f"{SECOND},10.0.0.4,203.0.113.7,50123,443,T,O,D,B,,,,"
NSG_ALLOWED = f"{SECOND},10.0.0.4,203.0.113.8,50123,443,T,O,A,E,3,180,2,120"
VNET_DENIED = f"{SECOND}139,10.0.0.4,203.0.113.7,50123,443,6,O,D,NX,0,0,0,0"
VNET_ALLOWED = f"{SECOND}139,10.0.0.4,203.0.113.8,50123,443,6,O,E,X,3,180,2,120"


def nta(**over: Any) -> Record:
    """An NTANetAnalytics row as a query returns it."""
    return {
        "TimeGenerated": "2025-11-26T03:01:12.1Z", "SubType": "FlowLog", "FaSchemaVersion": "3",
        "FlowStartTime": "2025-11-26T02:14:47Z", "FlowEndTime": "2025-11-26T02:14:47Z", "FlowType": "ExternalPublic",
        "SrcIp": "10.0.0.4", "DestIp": "", "DestPort": 443, "L4Protocol": "TCP", "FlowDirection": "Outbound",
        "FlowStatus": "Denied", "SrcPublicIps": "", "DestPublicIps": "203.0.113.7|1|0|0|0|0|0", "AclGroup": NSG.lower(),
        "AclRule": "denyalloutbound", "AllowedInFlows": 0, "DeniedInFlows": 0, "AllowedOutFlows": 0,
        "DeniedOutFlows": 1,
        "Type": "NTANetAnalytics",
    } | over  # fmt: skip


def nsg_analytics(**over: Any) -> Record:
    """An AzureNetworkAnalytics_CL row as a query returns it."""
    return {
        "TimeGenerated": "2025-11-26T03:01:12.1Z", "SubType_s": "FlowLog", "FASchemaVersion_s": "2",
        "FlowStartTime_t": "2025-11-26T02:14:47Z", "FlowEndTime_t": "2025-11-26T02:14:47Z",
        "FlowType_s": "ExternalPublic", "SrcIP_s": "10.0.0.4", "DestIP_s": "", "DestPort_d": 443.0, "L4Protocol_s": "T",
        "FlowDirection_s": "O", "FlowStatus_s": "D", "SrcPublicIPs_s": "", "DestPublicIPs_s": "203.0.113.7|1|0|0|0|0|0",
        "NSGList_s": "s/net/nsg-ml", "NSGRule_s": "DenyAllOutBound", "AllowedInFlows_d": 0.0, "DeniedInFlows_d": 0.0,
        "AllowedOutFlows_d": 0.0, "DeniedOutFlows_d": 1.0, "Type": "AzureNetworkAnalytics_CL",
    } | over  # fmt: skip


def flow(**over: Any) -> Record:
    """A row of the Flow frame as the records above yield it: denied by default at the firewall."""
    return {
        "first_seen": WHEN, "last_seen": WHEN, "events": 1, "src_ip": "10.0.0.4", "dst_ip": None, "dst_fqdn": None,
        "dst_port": 443, "protocol": "tcp", "direction": "outbound", "action": "Deny", "cause": "no rule", "rule": None,
        "plane": "azure-firewall", "device": FIREWALL.lower(), "origin": "-:1",
    } | over  # fmt: skip


def nsg_flow(**over: Any) -> Record:
    """The same at the NSG."""
    seen = {"first_seen": SINCE, "last_seen": SINCE, "dst_ip": "203.0.113.7", "rule": "DenyAllOutBound"}
    return flow(**{**seen, "plane": "nsg", "device": NSG.lower(), **over})


def read(log: str | bytes, *, with_allowed: bool = False) -> Flows:
    """A log read from standard input; its ledger closes."""
    data = log.encode() if isinstance(log, str) else log
    return closed(source.read(["-"], stdin=io.BytesIO(data), with_allowed=with_allowed))


def closed(found: Flows) -> Flows:
    """The reading itself, once every row of it is accounted for."""
    ledger = found.ledger
    assert ledger.rows_read == ledger.rows_used + ledger.rows_set_aside
    assert ledger.rows_set_aside == sum(entry.rows for entry in ledger.set_aside)
    assert UNACCOUNTED not in {entry.reason for entry in ledger.set_aside}
    return found


def rows(found: Flows) -> list[Record]:
    return found.rows.to_dicts()


def aside(found: Flows) -> list[tuple[str, int, str]]:
    """Why rows were set aside, how many, and where the first stands."""
    return [(entry.reason, entry.rows, entry.first) for entry in found.ledger.set_aside]


def counted(found: Flows) -> tuple[int, int]:
    """Rows read and rows used."""
    return found.ledger.rows_read, found.ledger.rows_used
