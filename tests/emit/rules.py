"""Recommendations to write: a small answer for each platform, and random ones."""

from datetime import UTC, date, datetime
from typing import Final

from hypothesis import strategies as st

from fwlens.rule import Citation, Endpoint, Evidence, Layer, Platform, Recommendation, Rule, Service

SEEN: Final = Evidence(3, 14, datetime(2026, 11, 20, 22, 15, tzinfo=UTC), datetime(2026, 11, 20, 23, 15, tzinfo=UTC))


def cited(*ids: str) -> tuple[Citation, ...]:
    return tuple(
        Citation(
            each,
            f"What {each} is for.",
            "documented",
            "Configure inbound and outbound network traffic",
            "https://learn.microsoft.com/azure/machine-learning/how-to-access-azureml-behind-firewall",
            date(2026, 11, 21),
        )
        for each in ids
    )


def rule(platform: Platform, layer: Layer, sources: str, destinations: str, services: str) -> Rule:
    """A rule in the notation, each part separated by spaces."""
    return Rule(
        platform,
        layer,
        "outbound",
        tuple(sorted({Endpoint.parse(each) for each in sources.split()}, key=lambda end: end.sort_key)),
        tuple(sorted({Endpoint.parse(each) for each in destinations.split()}, key=lambda end: end.sort_key)),
        tuple(sorted({Service.parse(each) for each in services.split()})),
    )


def one(platform: Platform, layer: Layer, sources: str, destinations: str, services: str, *ids: str) -> Recommendation:
    return Recommendation(rule(platform, layer, sources, destinations, services), cited(*(ids or ("aml/batch",))), SEEN)


FIREWALL: Final = (
    one("azure-firewall", "application", "10.20.1.4/30", "huggingface.co *.anaconda.org", "https/443", "hf/hub", "packages/conda"),
    one("azure-firewall", "application", "10.20.1.4", "data.database.windows.net", "mssql/1433 https/8443", "aml/sql"),
    one("azure-firewall", "network", "10.20.1.4 10.20.1.9", "tag:AzureMachineLearning 203.0.113.0/28", "udp/5831 udp/443", "aml/compute-management"),
    one("azure-firewall", "network", "10.20.1.4", "ntp.ubuntu.com", "tcp/123 udp/123", "ubuntu/time"),
)  # fmt: skip
NSG: Final = (
    one("nsg", "nsg", "10.20.1.4/30", "tag:BatchNodeManagement.WestEurope", "tcp/443", "aml/batch"),
    one("nsg", "nsg", "10.20.1.4 10.20.1.9", "10.20.5.8 10.20.6.0/24", "tcp/445 tcp/8000-8010", "aml/storage-smb"),
    one("nsg", "nsg", "fd00::/64", "fd00:1::5", "icmp", "aml/batch"),
)
AML: Final = (
    one("aml-managed-network", "fqdn", "*", "*.anaconda.org", "http/80 https/443", "packages/conda"),
    one("aml-managed-network", "service-tag", "*", "tag:Storage.WestEurope", "tcp/443 tcp/8000-8010", "aml/storage"),
)
ALL: Final = {"azure-firewall": FIREWALL, "nsg": NSG, "aml-managed-network": AML}

_addresses = st.sampled_from([f"10.{a}.{b}.4" for a in range(4) for b in range(4)] + ["10.9.0.0/16", "192.168.7.0/24"])
_hosts = st.sampled_from([f"{a}.example{b}.org" for a in ("www", "*", "a-b", "_x") for b in range(9)])
_plain_hosts = _hosts.map(lambda host: host.replace("*", "y"))
_tags = st.sampled_from(["tag:Storage.WestEurope", "tag:AzureKeyVault", "tag:EventHub", "tag:Sql.WestUS"])
_ports = st.integers(1, 60_000).flatmap(lambda first: st.sampled_from([f"{first}", f"{first}-{first + 7}"]))
_ids = st.lists(
    st.sampled_from(["aml/batch", "hf/hub", "packages/conda", "a.b-c/d9"]), min_size=1, max_size=3, unique=True
)


def _some(words: st.SearchStrategy[str], most: int = 3) -> st.SearchStrategy[str]:
    return st.lists(words, min_size=1, max_size=most, unique=True).map(" ".join)


def _over(protocol: str) -> st.SearchStrategy[str]:
    return st.lists(_ports, min_size=1, max_size=3, unique=True).map(
        lambda ports: " ".join(f"{protocol}/{each}" for each in ports)
    )


_app = st.sampled_from(["https/443", "http/80", "mssql/1433", "https/8443 http/8080", "https/443 http/80"])
_both = st.lists(_ports, min_size=1, max_size=2, unique=True).map(
    lambda ports: " ".join(f"{protocol}/{each}" for each in ports for protocol in ("tcp", "udp"))
)
_network = st.one_of(_over("tcp"), _over("udp"), _both, st.just("icmp"))
_one_protocol = st.one_of(_over("tcp"), _over("udp"), st.just("icmp"))


def _made(
    platform: Platform,
    layer: Layer,
    sources: st.SearchStrategy[str],
    far: st.SearchStrategy[str],
    over: st.SearchStrategy[str],
) -> st.SearchStrategy[Recommendation]:
    return st.builds(lambda s, d, o, ids: one(platform, layer, s, d, o, *ids), sources, far, over, _ids)


_RANDOM: Final = {
    "azure-firewall": st.one_of(
        _made("azure-firewall", "application", _some(_addresses), _some(_hosts), _app),
        _made(
            "azure-firewall", "network", _some(_addresses), _some(st.one_of(_addresses, _tags, _plain_hosts)), _network
        ),
    ),
    "nsg": _made("nsg", "nsg", _some(_addresses), st.one_of(_tags, _some(_addresses)), _one_protocol),
    "aml-managed-network": st.one_of(
        _made("aml-managed-network", "fqdn", st.just("*"), _hosts, st.just("http/80 https/443")),
        _made("aml-managed-network", "service-tag", st.just("*"), _tags, _one_protocol),
    ),
}


def random(platform: str, most: int = 6) -> st.SearchStrategy[list[Recommendation]]:
    """Sets of different rules for a platform."""
    return st.lists(_RANDOM[platform], min_size=1, max_size=most, unique_by=lambda one: one.rule.id)
