"""The invented night that `sample_logs/` tells, and how each log format tells an entry.

A workspace in westeurope; compute without public IP in 10.20.1.0/24 behind the firewall `fw-ml` and the NSG `nsg-ml`.
Addresses of Azure and of the internet come from the documentation ranges of RFC 5737.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
FIREWALL = f"/SUBSCRIPTIONS/{SUBSCRIPTION}/RESOURCEGROUPS/RG-ML/PROVIDERS/MICROSOFT.NETWORK/AZUREFIREWALLS/FW-ML"
NSG = f"/SUBSCRIPTIONS/{SUBSCRIPTION}/RESOURCEGROUPS/RG-ML/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/NSG-ML"
START = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
POLICY = ("pol-ml", "rcg-ml", "rc-allow", "rc-allow-base")


@dataclass(frozen=True)
class Entry:
    """One log entry. Where `host` is given the firewall's application rules decided, else its network rules or an NSG."""

    second: int
    src: str
    dst: str
    port: int
    protocol: str = "TCP"  # TCP, UDP, HTTP, HTTPS
    host: str = ""
    action: str = "Deny"
    reason: str = ""  # ActionReason; a denial without rule and reason says "Default Action"
    rule: str = ""  # the NSG's rule, or the firewall rule's name
    direction: str = "O"
    table: str = ""  # another table than the one that host and protocol imply

    @property
    def at(self) -> datetime:
        return START + timedelta(seconds=self.second, microseconds=125_000)


def azfw(entry: Entry) -> dict[str, Any]:
    """A record of Azure Firewall's structured logs, as storage has it."""
    denied = entry.action == "Deny" and not entry.rule
    names = ("", "", "", "") if denied or entry.reason else (*POLICY[:3], entry.rule or POLICY[3])
    path = dict(zip(("Policy", "RuleCollectionGroup", "RuleCollection", "Rule"), names, strict=True))
    reason = entry.reason or ("Default Action" if denied else "")
    table = entry.table or (
        "AZFWApplicationRule" if entry.host or entry.reason.startswith("SNI") else "AZFWNetworkRule"
    )
    common = {"Protocol": entry.protocol, "SourceIp": entry.src, "SourcePort": 40000 + entry.second % 20000}
    if table == "AZFWApplicationRule":
        action = "" if reason.startswith("SNI") else entry.action
        properties = {
            **common,
            "DestinationPort": entry.port,
            "Fqdn": entry.host,
            "TargetUrl": "",
            "Action": action,
            **path,
            "ActionReason": reason,
            "IsTlsInspected": False,
            "WebCategory": "",
            "IsExplicitProxyRequest": False,
        }
    elif table == "AZFWNetworkRule":
        goal = {"DestinationIp": entry.dst, "DestinationPort": entry.port}
        properties = {**common, **goal, "Action": entry.action, **path, "ActionReason": reason}
    elif table == "AZFWThreatIntel":
        goal = {"DestinationIp": entry.dst, "DestinationPort": entry.port, "Fqdn": entry.host, "TargetUrl": ""}
        said = {"Action": entry.action, "ThreatDescription": "Known command and control", "IsTlsInspected": False}
        properties = {**common, **goal, **said}
    elif table == "AZFWIdpsSignature":
        goal = {"DestinationIp": entry.dst, "DestinationPort": entry.port, "Action": entry.action.lower()}
        said = {"SignatureId": "2024897", "Category": "Trojan", "Description": "invented signature", "Severity": 1}
        properties = {**common, **goal, **said}
    elif table == "AZFWNatRule":
        goal = {"DestinationIp": entry.dst, "DestinationPort": entry.port, "TranslatedIp": "10.20.9.4"}
        properties = {**common, **goal, "TranslatedPort": 443, **path}
    else:  # AZFWDnsQuery
        query = {
            "QueryId": 4711,
            "QueryType": "A",
            "QueryClass": "IN",
            "QueryName": f"{entry.host}.",
            "Protocol": "udp",
        }
        answer = {"ResponseCode": "NOERROR", "ResponseFlags": "qr,aa,rd,ra", "ErrorNumber": 0, "ErrorMessage": ""}
        properties = {"SourceIp": entry.src, "SourcePort": 50000, **query, **answer}
    when = entry.at.isoformat()
    return {"time": when, "resourceId": FIREWALL, "properties": properties, "category": table}


def azdiag(entry: Entry) -> dict[str, Any]:
    """A record of Azure Firewall's legacy logs: one sentence."""
    source, port = f"{entry.src}:{40000 + entry.second % 20000}", entry.port
    end = ". Policy: {}. Rule Collection Group: {}. Rule Collection: {}. Rule: {}".format(
        *POLICY[:3], entry.rule or POLICY[3]
    )
    operation, category = "AzureFirewallNetworkRuleLog", "AzureFirewallNetworkRule"
    if entry.table == "AZFWDnsQuery":
        operation, category = "AzureFirewallDnsProxyLog", "AzureFirewallDnsProxy"
        msg = (
            f"DNS Request: {entry.src}:50000 - 4711 A IN {entry.host}. udp 40 false 1232 NOERROR qr,aa,rd,ra 56 0.0003s"
        )
    elif entry.table == "AZFWNatRule":
        operation = "AzureFirewallNatRuleLog"
        msg = f"{entry.protocol} request from {source} to {entry.dst}:{port} was DNAT'ed to 10.20.9.4:443{end}"
    elif entry.table == "AZFWThreatIntel":
        operation = "AzureFirewallThreatIntelLog"
        goal = entry.host or entry.dst
        msg = f"{entry.protocol} request from {source} to {goal}:{port}. Action: {entry.action}. ThreatIntel: Known command"
    elif entry.table == "AZFWIdpsSignature":
        operation = "AzureFirewallIDSLog"
        said = "Signature: 2024897. IDS: invented signature. Priority: 1. Classification: Trojan"
        msg = f"{entry.protocol} request from {source} to {entry.dst}:{port}. Action: {entry.action.lower()}. {said}"
    elif entry.reason.startswith("SNI"):
        operation, category = "AzureFirewallApplicationRuleLog", "AzureFirewallApplicationRule"
        msg = f"{entry.protocol} request from {source}. Action: Deny. Reason: {entry.reason}"
    elif entry.host:
        operation, category = "AzureFirewallApplicationRuleLog", "AzureFirewallApplicationRule"
        none = entry.action == "Deny" and not entry.rule
        tail = ". No rule matched. Proceeding with default action" if none else end
        msg = f"{entry.protocol:<5} request from {source} to {entry.host}:{port}. Action: {entry.action}{tail}"
    else:
        tail = "." if entry.action == "Deny" and not entry.rule else f".{end}"
        msg = f"{entry.protocol} request from {source} to {entry.dst}:{port}. Action: {entry.action}{tail}"
    when = entry.at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    record = {"category": category, "time": when, "resourceId": FIREWALL, "operationName": operation}
    return {**record, "properties": {"msg": msg}}


def _rule(entry: Entry) -> str:
    return entry.rule or ("DefaultRule_AllowVnetOutBound" if entry.action == "Allow" else "DefaultRule_DenyAllOutBound")


def nsg_flow_log(entries: Sequence[Entry], version: int) -> dict[str, Any]:
    """A blob of NSG flow logs, version 1 or 2: one record a minute."""
    records = []
    for minute in sorted({entry.second // 60 for entry in entries}):
        rules: dict[str, list[str]] = {}
        for entry in entries:
            if entry.second // 60 == minute:
                decision = "A" if entry.action == "Allow" else "D"
                state = ",B,,,," if version == 2 else ""
                ports = f"{40000 + entry.second % 20000},{entry.port}"
                fields = f"{entry.src},{entry.dst},{ports},{entry.protocol[0]},{entry.direction},{decision}"
                rules.setdefault(_rule(entry), []).append(f"{int(entry.at.timestamp())},{fields}{state}")
        flows = [{"rule": rule, "flows": [{"mac": "000D3A112233", "flowTuples": rows}]} for rule, rows in rules.items()]
        records.append(
            {
                "time": (START + timedelta(minutes=minute + 1)).strftime("%Y-%m-%dT%H:%M:%S.0000000Z"),
                "systemId": "55555555-6666-7777-8888-999999999999",
                "macAddress": "000D3A112233",
                "category": "NetworkSecurityGroupFlowEvent",
                "resourceId": NSG,
                "operationName": "NetworkSecurityGroupFlowEvents",
                "properties": {"Version": version, "flows": flows},
            }
        )
    return {"records": records}


def vnet_flow_log(entries: Sequence[Entry]) -> dict[str, Any]:
    """A blob of VNet flow logs, version 4."""
    rules: dict[str, list[str]] = {}
    for entry in entries:
        number = {"TCP": 6, "UDP": 17, "HTTPS": 6, "HTTP": 6}[entry.protocol]
        state = "B" if entry.action == "Allow" else "D"
        ports = f"{40000 + entry.second % 20000},{entry.port},{number}"
        fields = f"{entry.src},{entry.dst},{ports},{entry.direction},{state},NX,0,0,0,0"
        rules.setdefault(_rule(entry), []).append(f"{int(entry.at.timestamp() * 1000)},{fields}")
    groups = [{"rule": rule, "flowTuples": rows} for rule, rows in rules.items()]
    record = {
        "time": (START + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%S.0000000Z"),
        "flowLogVersion": 4,
        "flowLogGUID": "99999999-8888-7777-6666-555555555555",
        "macAddress": "000D3A112233",
        "category": "FlowLogFlowEvent",
        "flowLogResourceID": f"/SUBSCRIPTIONS/{SUBSCRIPTION}/RESOURCEGROUPS/NETWORKWATCHERRG/FLOWLOGS/VNET-ML",
        "targetResourceID": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-ml/providers/virtualNetworks/vnet-ml",
        "operationName": "FlowLogFlowEvent",
        "flowRecords": {"flows": [{"aclID": NSG.lower(), "flowGroups": groups}]},
    }
    return {"records": [record]}


def nta(entry: Entry, *, public: bool) -> dict[str, Any]:
    """A row of NTANetAnalytics; the address of a public peer is packed into a list."""
    denied, inbound = entry.action == "Deny", entry.direction == "I"
    peer = entry.src if inbound else entry.dst
    packed = f"{peer}|1|0|0|0|0|0" if public else ""
    rule = _rule(entry).removeprefix("UserRule_").removeprefix("DefaultRule_").lower()
    when = entry.at.strftime("%-m/%-d/%Y %-I:%M:%S.%f")[:-3] + entry.at.strftime(" %p")
    return {
        "TimeGenerated": when,
        "SubType": "FlowLog",
        "FaSchemaVersion": "3",
        "FlowType": "AzurePublic" if public else "IntraVNet",
        "FlowStartTime": when,
        "FlowEndTime": when,
        "SrcIp": "" if public and inbound else entry.src,
        "DestIp": "" if public and not inbound else entry.dst,
        "DestPort": str(entry.port),
        "L4Protocol": "UDP" if entry.protocol == "UDP" else "TCP",
        "FlowDirection": "Inbound" if inbound else "Outbound",
        "FlowStatus": "Denied" if denied else "Allowed",
        "SrcSubnet": "rg-ml/vnet-ml/snet-compute",
        "AllowedInFlows": str(int(not denied and inbound)),
        "DeniedInFlows": str(int(denied and inbound)),
        "AllowedOutFlows": str(int(not denied and not inbound)),
        "DeniedOutFlows": str(int(denied and not inbound)),
        "SrcPublicIps": packed if inbound else "",
        "DestPublicIps": "" if inbound else packed,
        "AclGroup": NSG.lower(),
        "AclRule": rule,
        "Type": "NTANetAnalytics",
    }


def cl(entry: Entry, *, public: bool) -> dict[str, Any]:
    """A row of AzureNetworkAnalytics_CL."""
    row = nta(entry, public=public)
    when = entry.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "TimeGenerated": when,
        "SubType_s": "FlowLog",
        "FlowType_s": row["FlowType"],
        "FlowStartTime_t": when,
        "FlowEndTime_t": when,
        "SrcIP_s": row["SrcIp"],
        "DestIP_s": row["DestIp"],
        "DestPort_d": float(row["DestPort"]),
        "L4Protocol_s": row["L4Protocol"][0],
        "FlowDirection_s": row["FlowDirection"][0],
        "FlowStatus_s": row["FlowStatus"][0],
        "AllowedInFlows_d": float(row["AllowedInFlows"]),
        "DeniedInFlows_d": float(row["DeniedInFlows"]),
        "AllowedOutFlows_d": float(row["AllowedOutFlows"]),
        "DeniedOutFlows_d": float(row["DeniedOutFlows"]),
        "SrcPublicIPs_s": row["SrcPublicIps"],
        "DestPublicIPs_s": row["DestPublicIps"],
        "NSGList_s": f"{SUBSCRIPTION}/rg-ml/nsg-ml",
        "NSGRule_s": _rule(entry),
        "Type": "AzureNetworkAnalytics_CL",
    }


def as_lines(records: Iterable[dict[str, Any]]) -> str:
    """JSON Lines."""
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """CSV with a header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_answer(rows: Sequence[dict[str, Any]]) -> str:
    """An answer of the Log Analytics query API."""
    kinds = {str: "string", float: "real"}
    columns = [{"name": name, "type": kinds[type(value)]} for name, value in rows[0].items()]
    table = {"name": "PrimaryResult", "columns": columns, "rows": [list(row.values()) for row in rows]}
    return json.dumps({"tables": [table]}, indent=1) + "\n"


NODES = ("10.20.1.4", "10.20.1.5", "10.20.1.6", "10.20.1.7")
AML, BATCH, STORAGE = "203.0.113.20", "203.0.113.70", "203.0.113.140"


def _repeated(first: int, entries: Iterable[Entry], tries: int = 3, pause: int = 31) -> list[Entry]:
    """A blocked client retries."""
    return [
        replace(entry, second=first + 7 * number + pause * attempt)
        for number, entry in enumerate(entries)
        for attempt in range(tries)
    ]


def _https(src: str, host: str) -> Entry:
    return Entry(0, src, "", 443, "HTTPS", host)


def _firewall() -> list[Entry]:
    ci, other = NODES[0], NODES[1]
    pulls = ("registry-1.docker.io", "auth.docker.io", "production.cloudflare.docker.com")
    weights = ("huggingface.co", "us.aws.cdn.hf.co", "cas-server.xethub.hf.co")
    packages = ("repo.anaconda.com", "conda.anaconda.org", "pypi.org", "files.pythonhosted.org")
    code = ("update.code.visualstudio.com", "vscode.download.prss.microsoft.com", "marketplace.visualstudio.com")
    batch = ("b7c4e1f2.westeurope.batch.azure.com", "tvm0412.westeurope.service.batch.azure.com")
    return sorted(
        [
            *_repeated(60, [_https(node, host) for node in NODES for host in batch]),
            *_repeated(300, [Entry(0, node, AML, 5831, "UDP") for node in NODES], tries=4),
            *_repeated(900, [_https(node, host) for node in NODES[2:] for host in weights]),
            *_repeated(1500, [_https(node, host) for node in NODES[2:] for host in pulls]),
            *_repeated(2400, [_https(src, host) for src in (ci, other) for host in packages], tries=2),
            *_repeated(3600, [_https(ci, host) for host in code], tries=2),
            *_repeated(4200, [_https(node, "mlwsdata7.blob.core.windows.net") for node in NODES], tries=2),
            # not documented
            *_repeated(5000, [_https(NODES[2], "huggingface.co.models-mirror.example"), _https(ci, "wandb.example")]),
            *_repeated(5200, [_https(other, "PyPI.org.simple-index.example."), Entry(0, ci, "198.51.100.9", 25)]),
            *_repeated(5400, [Entry(0, "10.20.9.30", "192.0.2.44", 8443), Entry(0, ci, "192.0.2.5", 123, "UDP")]),
            *_repeated(5600, [replace(_https(ci, "pypi.org"), port=8443)], tries=1),
            # never a rule
            Entry(6000, NODES[3], "198.51.100.66", 443, "HTTPS", "update.malware.example", table="AZFWThreatIntel"),
            Entry(6060, NODES[3], "198.51.100.67", 80, "TCP", table="AZFWIdpsSignature"),
            Entry(6120, other, "", 12000, "HTTPS", reason="SNI TLS extension was missing."),
            # no flow, or allowed
            Entry(6180, ci, "", 53, "UDP", "huggingface.co", "Allow", table="AZFWDnsQuery"),
            Entry(6240, "198.51.100.7", "192.0.2.1", 443, action="Allow", table="AZFWNatRule"),
            *_repeated(6300, [replace(_https(node, "login.microsoftonline.com"), action="Allow") for node in NODES]),
            Entry(6600, ci, "203.0.113.200", 443, action="Allow"),
        ],
        key=lambda entry: entry.second,
    )


def _subnet() -> list[Entry]:
    deny = "UserRule_DenyInternet"
    return sorted(
        [
            *_repeated(120, [Entry(0, node, BATCH, 443, rule=deny) for node in NODES]),
            *_repeated(420, [Entry(0, node, AML, 5831, "UDP", rule=deny) for node in NODES]),
            *_repeated(4300, [Entry(0, node, STORAGE, 443, rule=deny) for node in NODES[2:]], tries=2),
            *_repeated(4500, [Entry(0, NODES[0], "10.20.5.8", 445, rule="UserRule_DenySmb")], tries=2),
            *_repeated(5300, [Entry(0, NODES[0], "198.51.100.9", 22, rule=deny)]),
            *_repeated(
                5450, [Entry(0, "198.51.100.77", NODES[0], 3389, rule="DefaultRule_DenyAllInBound", direction="I")]
            ),
            *_repeated(6300, [Entry(0, node, "10.20.5.4", 443, action="Allow") for node in NODES], tries=2),
        ],
        key=lambda entry: entry.second,
    )


FIREWALL_ENTRIES: Sequence[Entry] = tuple(_firewall())
NSG_ENTRIES: Sequence[Entry] = tuple(_subnet())


def is_public(entry: Entry) -> bool:
    """Whether one side of it is no private address."""
    return not (entry.src.startswith("10.") and entry.dst.startswith("10."))


def _tag(name: str, prefixes: Sequence[str], region: str = "") -> dict[str, Any]:
    features = ["API", "NSG"] if name.startswith("Batch") and region else ["API", "NSG", "UDR", "FW"]
    properties = {
        "changeNumber": 1,
        "region": region,
        "regionId": 0,
        "platform": "Azure",
        "systemService": name.partition(".")[0],
        "addressPrefixes": list(prefixes),
        "networkFeatures": features,
    }
    return {"name": name, "id": name, "properties": properties}


def service_tags() -> str:
    """A service-tag file in the published form with invented prefixes."""
    values = [
        _tag("AzureCloud", ["203.0.113.0/24", "2001:db8::/32"]),
        _tag("AzureCloud.westeurope", ["203.0.113.0/24", "2001:db8::/40"], "westeurope"),
        _tag("AzureMachineLearning", ["203.0.113.16/28", "2001:db8:0:10::/64"]),
        _tag("BatchNodeManagement", ["203.0.113.64/27"]),
        _tag("BatchNodeManagement.WestEurope", ["203.0.113.64/28"], "westeurope"),
        _tag("Storage", ["203.0.113.128/26"]),
        _tag("Storage.WestEurope", ["203.0.113.128/27"], "westeurope"),
        _tag("Sql.WestEurope", ["203.0.113.224/28"], "westeurope"),
    ]
    return json.dumps({"changeNumber": 1, "cloud": "Public", "values": values}, indent=1) + "\n"


BROKEN_LINE = '{"time":"2026-11-20T23:59:59.125000+00:00","resourceId":"/SUBSCRIPTIONS/00000000-11\n'

FILES: dict[str, Callable[[], str]] = {
    "azfw.jsonl": lambda: as_lines(map(azfw, FIREWALL_ENTRIES)) + BROKEN_LINE,
    "azdiag.jsonl": lambda: as_lines(map(azdiag, FIREWALL_ENTRIES)),
    "nsg-flow-log-v1.json": lambda: json.dumps(nsg_flow_log(NSG_ENTRIES, 1)) + "\n",
    "nsg-flow-log-v2.json": lambda: json.dumps(nsg_flow_log(NSG_ENTRIES, 2), indent=1) + "\n",
    "vnet-flow-log-v4.json": lambda: json.dumps(vnet_flow_log(NSG_ENTRIES), separators=(",", ":")) + "\n",
    "ntanetanalytics.csv": lambda: as_csv([nta(entry, public=is_public(entry)) for entry in NSG_ENTRIES]),
    "azurenetworkanalytics-cl.json": lambda: as_answer([cl(entry, public=is_public(entry)) for entry in NSG_ENTRIES]),
    "service-tags.json": service_tags,
}
"""Every file of `sample_logs/` and its content."""
