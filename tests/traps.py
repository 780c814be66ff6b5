"""Rows of every table on which a reading of the logs can stumble: what is denied without saying so, packed, or hostile.

They are records of storage and rows of tables, so that both the readers of files and a workspace can have them.
"""

from datetime import datetime, timedelta
from typing import Final

from tests.source.logs import WHEN, Record, application, entry, legacy, network, nsg_analytics, nta

_NAT: Final[Record] = {
    "Protocol": "TCP", "SourceIp": "198.51.100.9", "SourcePort": 1024, "DestinationIp": "203.0.113.1",
    "DestinationPort": 3389, "TranslatedIp": "10.0.0.4", "TranslatedPort": 22, "Policy": "hub", "Rule": "r",
}  # fmt: skip
_THREAT: Final[Record] = {
    "Protocol": "HTTP", "SourceIp": "10.0.0.4", "DestinationIp": "", "DestinationPort": 80, "Fqdn": "bad.example.net",
    "TargetUrl": "bad.example.net/x", "Action": "Deny", "ThreatDescription": "botnet", "IsTlsInspected": False,
}  # fmt: skip
_IDPS: Final[Record] = {
    "Protocol": "TCP", "SourceIp": "10.0.0.4", "DestinationIp": "203.0.113.7", "DestinationPort": 443, "Action": "deny",
    "SignatureId": "2008989", "Category": "Misc [x]", "Description": "d", "Severity": 1,
}  # fmt: skip
_AGGREGATED: Final[Record] = {
    "Protocol": "TCP", "SourceIp": "10.0.0.4", "DestinationIp": "203.0.113.7", "DestinationPort": 443, "Action": "Deny",
    "ActionReason": "", "Policy": "", "Rule": "", "IsDefaultRule": True, "NetworkRuleCount": 7,
}  # fmt: skip
_NAMED: Final[Record] = {"Policy": "hub", "RuleCollectionGroup": "g", "RuleCollection": "c", "Rule": "Deny, all"}
_UNRESOLVED: Final = "Failed to resolve address {0}:443: lookup {0} on 10.0.0.1:53: no such host"
_PATH: Final = "Policy: hub. Rule Collection Group: base. Rule Collection: deny. Rule: "
_TO_WEB: Final = "TCP request from 10.0.0.4:{0} to 203.0.113.7:443. Action: "
_SENTENCES: Final = (
    *(_TO_WEB + end for end in ("Deny", "Deny.", "Deny. ", "Deny..", "Deny.. ", "deny", "DENY", "drop", "Reset")),
    *(_TO_WEB + f"Deny{gap}{_PATH}web{end}" for gap in (". ", ".. ", " . ") for end in ("", ".", ". ")),
    _TO_WEB + "Deny. Rule Collection: a.b. c. Rule: Action: Allow",
    _TO_WEB + "Deny. Rule Collection: c. Rule: x. Url: y/{0}. Action: Allow",
    _TO_WEB + "Deny. " + _PATH + "WEB. Web Category: News",
    *(_TO_WEB + f"Allow{end}" for end in ("", ".", ". " + _PATH + "web", ". Rule: Action: Deny")),
    _TO_WEB + "Allow to go",
    _TO_WEB + "Deny. ThreatIntel: Bot [x] network. Policy: none",
    _TO_WEB + "alert. Signature: {0}. IDS: ICMP_INFO *NIX. Priority: 3. Classification: Misc",
    _TO_WEB + "drop. Signature: 2100366. IDS: A. Action: Allow. Priority: 3. Classification: Misc",
    "TCP request from [fd10:0003:0005:0001:0000:0000:0000:0004]:{0} to [2001:db8::7]:443. Action: Deny.",
    "ICMP Type=8 request from 10.0.0.4:{0} to 203.0.113.7:0. Action: Deny.",
    "ICMP Type=8 request from 10.0.0.4: to 203.0.113.7:. Action: alert. Signature: 1. IDS: x. Priority: 3",
    "ICMP Type=8 request from 10.0.0.4: to 203.0.113.7:. Action: drop. Signature: 1. IDS: x. Priority: 3",
    "ICMPv6 Type=128 request from fd10:3:5:1::4 to 2001:db8::7. Action: Deny.",
    "HTTPS request from 10.0.0.4:{0} to pypi.example.org:443. Action: Deny. No rule matched. Proceeding with default action",
    "HTTP  request from 10.0.0.4:{0} to pypi.example.org:80. Url: pypi.example.org/{0}?a.b=. Action: Deny. Rule Collection: c. Rule: r",
    "HTTP  request from 10.0.0.4:{0} to pypi.example.org:80. Url:pypi.example.org/{0}. Action: Deny. Rule Collection: c. Rule: r",
    "HTTPS request from 10.0.0.4:{0} to PyPI.Example.org.:443. Url: x/{0}. Action: Allow. Rule Collection: c. Rule: r",
    "HTTP  request from 10.0.0.4:{0} to pypi.example.org:80. Url: x/{0}. Action: Allow. Action: Deny. Rule Collection: c. Rule: r",
    "HTTP  request from 10.0.0.4:{0} to pypi.example.org:80. Url: x {0}. Action: Deny. Action: Allow. Rule Collection: c. Rule: r",
    "HTTP  request from 10.0.0.4:{0} to pypi.example.org:80. Url: x/{0}. Action: Deny. Rule Collection: c. Rule: r. Action: Allow so",
    "HTTPS request from 10.0.0.4:{0}. Action: Deny. Reason: SNI TLS extension was missing.",
    "HTTPS request from 10.0.0.4:{0} was denied. Reason: SNI TLS extension was missing.",
    "HTTPS request from 10.0.0.4:{0} to h{0}.example:443. Action: Deny. " + _UNRESOLVED.format("h{0}.example"),
    "HTTPS request from 10.0.0.4:{0} to <script>:443. Action: Deny.",
    "HTTPS request from 10.0.0.4:{0} to a b:443. Action: Deny.",
    "TCP request from 198.51.100.9:{0} to 203.0.113.1:3389 was DNAT'ed to 10.0.0.4:22",
    "TCP request from 198.51.100.9:{0} to 203.0.113.1:3389 was DNAT'ed to 10.0.0.4:22. " + _PATH + "web",
    "TCP request from 198.51.100.9:{0} to 203.0.113.1:3389 was DNAT'ed to 10.0.0.4:22 again",
    "DNS Request: 10.0.0.4:{0} - 4711 A IN pypi.example.org. udp 40 false 1232 NOERROR qr,rd,ra 56 0.0003s",
    " Error: 2 time.example.org. A: read udp 10.0.0.5:{0}->168.63.129.160:53: i/o timeout",
    "Failed to resolve FQDN h{0}.example. Error no such host. Rule Collection: p:g:c. Rule: r",
    "TCP request from 10.0.0.4:{0}",
    "something {0} else",
    "",
)  # fmt: skip


def _legacy() -> list[Record]:
    ports = (50_123, 50_124, 1)
    return [
        legacy(sentence.replace("{0}", str(port)), "AzureFirewallNetworkRule")
        for sentence in _SENTENCES
        for port in (ports if "{0}" in sentence else ports[:1])
    ]


def _traffic() -> list[Record]:
    """What both tables of Traffic Analytics may hold, under the newer one's names."""
    packed = "203.0.113.7|8|0|0|0|0|0 203.0.113.8|2|0|0|0|0|0  [2001:0db8::7]|1|0|0|0|0|0 203.0.113.7|1|0|0|0|0|0"
    inbound: Record = {
        "SrcIp": "",
        "DestIp": "10.0.0.4",
        "DestPublicIps": "",
        "FlowDirection": "Inbound",
        "DestPort": 22,
    }
    return [
        {"DestPublicIps": packed, "DeniedOutFlows": 12},
        {"DestPublicIps": f" {packed} ", "DeniedOutFlows": 12, "FlowStatus": "D"},
        {"DestPublicIps": "203.0.113.8|4|0|0|0|0|0", "AclRule": "UserRule_DenyInternet"},
        *({"DestPublicIps": f"203.0.113.7|{count}|0"} for count in ("", "x", "-1", "0", "9" * 40, "2.0")),
        {"DestPublicIps": "203.0.113.7", "DeniedOutFlows": 6},
        {"DestPublicIps": "203.0.113.7|2|0|0|0|0|0 oops|1|0|0|0|0|0"},
        {"DestPublicIps": "oops|2|0|0|0|0|0 203.0.113.7|1|0|0|0|0|0 |3|0"},
        {"DestPublicIps": ""},
        {**inbound, "SrcPublicIps": "198.51.100.9|3|0|0|0|0|0 198.51.100.8|0|0|0|0|0|0", "AclRule": "denyallinbound"},
        {**inbound, "SrcPublicIps": ""},
        {**inbound, "SrcIp": "198.51.100.66", "FlowType": "MaliciousFlow", "DeniedInFlows": 5, "DeniedOutFlows": 0},
        {"DestIp": "10.0.0.9", "FlowType": "IntraVNet", "DestPublicIps": "", "DeniedOutFlows": 0},
        {"DestIp": "10.0.0.9", "FlowType": "IntraVNet", "DestPublicIps": "", "DeniedOutFlows": 3, "FlowEndTime": None},
        {"FlowStatus": "", "DeniedOutFlows": 2},
        {"FlowStatus": "", "DeniedOutFlows": 0, "AllowedOutFlows": 1},
        {"FlowStatus": "Allowed", "DeniedOutFlows": 0, "AllowedOutFlows": 4, "DestPublicIps": packed},
        {"FlowStatus": "A", "DeniedOutFlows": 0, "AllowedOutFlows": 2, "AllowedInFlows": 1, "DestIp": "10.0.0.9"},
        {"AclRule": "unspecified", "AclGroup": "Unspecified"},
        {"AclRule": "", "AclGroup": ""},
        {"SubType": "Topology", "FlowStatus": "", "DestPublicIps": ""},
        {"SubType": "StatusMessage", "DestPublicIps": packed},
        {"SubType": ""},
        {"L4Protocol": "X"},
        {"L4Protocol": "U", "DestPort": 53},
        {"DestPort": None},
        {"FlowDirection": "Sideways"},
        {"FlowStartTime": None},
        {"SrcSubnet": "rg/vnet/snet", "DestSubnet": "rg/vnet/other", "DestIp": "10.0.0.8"},
    ]


_OLD_NAMES: Final = {
    "SubType": "SubType_s", "FlowType": "FlowType_s", "FlowStatus": "FlowStatus_s", "FlowDirection": "FlowDirection_s",
    "FlowStartTime": "FlowStartTime_t", "FlowEndTime": "FlowEndTime_t", "SrcIp": "SrcIP_s", "DestIp": "DestIP_s",
    "DestPort": "DestPort_d", "L4Protocol": "L4Protocol_s", "SrcPublicIps": "SrcPublicIPs_s",
    "DestPublicIps": "DestPublicIPs_s", "AllowedInFlows": "AllowedInFlows_d", "AllowedOutFlows": "AllowedOutFlows_d",
    "DeniedInFlows": "DeniedInFlows_d", "DeniedOutFlows": "DeniedOutFlows_d", "AclRule": "NSGRule_s",
    "AclGroup": "NSGList_s", "SrcSubnet": "Subnet1_s", "DestSubnet": "Subnet2_s",
}  # fmt: skip


def _network() -> list[Record]:
    return [
        network(),
        network(SourcePort=50_124),
        network("Allow"),
        network("Allow", Rule="other"),
        network(Action="allow", **_NAMED),
        network(**_NAMED, ActionReason=""),
        network(**{**_NAMED, "Rule": "DENY, ALL"}, ActionReason=""),
        network(ActionReason="Default Action", **_NAMED),
        network(SourceIp="[fd10:0003:0005:0001:0000:0000:0000:0004]", DestinationIp="[2001:0db8::0007]"),
        network(SourceIp="198.51.100.7", DestinationIp="10.0.0.4"),
        network(Protocol="ICMP Type=8", DestinationPort=0),
        network(Protocol="UDP"),
        network(Action="Reset"),
        network(Action="", ActionReason=""),
        network(Action="", ActionReason="SNI TLS extension was missing."),
        network(Action="alert", SourcePort=3),
        network(SourceIp=""),
        network(DestinationIp="33.778.136.777"),
        network(Rule="\u202e$(rm -rf)\u0007'\";--", ActionReason=""),
    ]


def _application() -> list[Record]:
    return [
        application(),
        application(SourcePort=7, Fqdn="PyPI.Example.org."),
        application("Allow", **_NAMED),
        application("Allow", Fqdn="other.example"),
        application(**_NAMED, ActionReason=""),
        application(Action="", Fqdn="", DestinationPort=12_000, ActionReason="SNI TLS extension was missing."),
        application(Protocol="HTTP/1.1", IsTlsInspected=True, TargetUrl="https://pypi.example.org/simple?x=1"),
        application(Protocol="HTTP/1.1", IsTlsInspected=False, TargetUrl="http://pypi.example.org/simple"),
        application(Protocol="HTTP/1.1", IsTlsInspected=False, TargetUrl="http://pypi.example.org/other"),
        application(Protocol="HTTP/2.0"),
        application(Protocol="HTTP", DestinationPort=80, Fqdn="", TargetUrl="pypi.example.org:8080/a/b"),
        application(Protocol="HTTP", DestinationPort=80, Fqdn="-", TargetUrl=" \thttp://pypi.example.org/a"),
        application(Fqdn="203.0.113.9"),
        application(Fqdn=""),
        application(Fqdn="<script>alert(1)</script>.example"),
        application(Fqdn="xn--bcher-kva.example\u212a"),
        *(application(Fqdn=f"h{n}.example", ActionReason=_UNRESOLVED.format(f"h{n}.example")) for n in range(3)),
        application("Allow", ActionReason=_UNRESOLVED.format("x.example")),
    ]


def _others() -> list[Record]:
    threats: list[Record] = [
        {}, {"Action": "Alert"}, {"Action": "alert", "Fqdn": "x.example"}, {"Fqdn": "", "TargetUrl": "http://a.example/x"},
        {"Fqdn": "", "DestinationIp": "198.51.100.66"}, {"Protocol": "HTTP/1.1", "IsTlsInspected": "true"},
        {"Fqdn": "", "TargetUrl": "http://pypi.example.org@bad.example.net/"},
    ]  # fmt: skip
    return [
        *(entry("AZFWThreatIntel", **_THREAT | over) for over in threats),
        *(entry("AZFWIdpsSignature", **_IDPS | {"Action": action}) for action in ("deny", "drop", "alert", "Deny")),
        *(entry("AZFWIdpsSignature", **_IDPS | {"SignatureId": str(n), "SourcePort": n}) for n in range(3)),
        entry("AZFWNatRule", **_NAT),
        entry("AZFWNatRule", **_NAT | {"SourcePort": 9}),
        entry("AZFWNatRule", **_NAT | {"TranslatedIp": "", "TranslatedPort": None}),
        entry("AZFWNatRule", **_NAT | {"SourceIp": "?"}),
        *(
            entry("AZFWNatRuleAggregation", Protocol="TCP", SourceIp="198.51.100.9", TranslatedIp="10.0.0.4",
                  TranslatedPort=22, NatRuleCount=count)
            for count in (3, 0, None, 4)
        ),
        *(entry("AZFWNetworkRuleAggregation", **_AGGREGATED | {"NetworkRuleCount": n}) for n in (7, 1, 0, -4, None)),
        entry("AZFWNetworkRuleAggregation", **_AGGREGATED | _NAMED | {"IsDefaultRule": False}),
        entry("AZFWNetworkRuleAggregation", **_AGGREGATED | {"Action": "Allow", "NetworkRuleCount": 40}),
        *(
            entry("AZFWApplicationRuleAggregation", Protocol="HTTPS", SourceIp="10.0.0.4", DestinationPort=443,
                  Fqdn=host, TargetUrl="", Action=action, ActionReason=reason, ApplicationRuleCount=5)
            for host, action, reason in (
                ("a.example", "Deny", "Default Action"), ("a.example", "Allow", ""), ("", "", "SNI TLS extension was missing."),
                ("b.example", "Deny", _UNRESOLVED.format("b.example")), ("a.example", "Deny", "Default Action"),
            )
        ),
        *(entry("AZFWDnsQuery", SourceIp="10.0.0.4", QueryName=f"h{n}.example.") for n in range(3)),
        entry("AZFWDnsFlowTrace", SourceIp="10.0.0.4", QueryMessage="x"),
        entry("AZFWFatFlow", SourceIp="10.0.0.4", FlowRate=3.2),
        entry("AZFWFlowTrace", SourceIp="10.0.0.4", Action="Log", ActionReason="Additional TCP Log", Flag="RST"),
        entry("AZFWInternalFqdnResolutionFailure", Fqdn="h.example", Error="no such host", ServerIp="10.0.0.1"),
    ]  # fmt: skip


def _analytics() -> list[Record]:
    traffic = _traffic()
    old = [{_OLD_NAMES[name]: value for name, value in over.items()} for over in traffic]
    packed = {"NSGRule_s": "", "NSGRules_s": "0|UserRule_Old|O|D|12"}
    return [
        *(nta(**over) for over in traffic),
        *(nsg_analytics(**over) for over in [*old, {"NSGList_s": "a/b/c/d"}, packed]),
    ]


def _at(record: Record, when: datetime) -> Record:
    """The same a while later; in Traffic Analytics the row comes an hour after the flow."""
    if "properties" in record:
        return record | {"time": when.isoformat()}
    moved = record | {"TimeGenerated": (when + timedelta(hours=1)).isoformat()}
    seen = {name: when for name in ("FlowStartTime", "FlowStartTime_t") if record.get(name)}
    seen |= {name: when + timedelta(minutes=3) for name in ("FlowEndTime", "FlowEndTime_t") if record.get(name)}
    return moved | {name: time.isoformat() for name, time in seen.items()}


def _spread() -> list[Record]:
    records = [*_network(), *_application(), *_others(), *_legacy(), *_analytics()]
    twice = [*records, *reversed(records)]
    return [_at(record, WHEN + timedelta(minutes=7 * number % 301)) for number, record in enumerate(twice)]


RECORDS: Final = tuple(_spread())
"""Each trap twice, spread over five hours."""
