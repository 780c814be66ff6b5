from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.catalog import load
from fwlens.match import Choice, match, near, strangers
from tests import plain
from tests.plain import Seen, frame, service_tags

KNOWN = load().requirements
TAGS = service_tags()


def explained(seen: Seen, choice: Choice = Choice(), never: tuple[str, ...] = ()) -> tuple[str | None, str | None, str]:
    row = match(frame([seen]), KNOWN, tags=TAGS, choice=choice, never_override=never).row(0, named=True)
    return row["requirement"], row["by"], row["verdict"]


def nearest(seen: Seen, choice: Choice = Choice()) -> list[tuple[str, str]]:
    rows = near(match(frame([seen]), KNOWN, tags=TAGS, choice=choice), KNOWN, tags=TAGS, choice=choice)
    return [(entry["requirement"], entry["why"]) for entry in rows["near"][0]]


@pytest.mark.parametrize(
    ("seen", "requirement", "by"),
    [
        (Seen(host="huggingface.co"), "hf/hub", "huggingface.co"),
        (Seen(host="repo.anaconda.com"), "packages/conda", "*.anaconda.com"),
        (Seen(host="anaconda.com"), "packages/conda", "anaconda.com"),
        (Seen(host="a.b.c.anaconda.org"), "packages/conda", "*.anaconda.org"),
        (Seen(host="pool1.westeurope.batch.azure.com"), "aml/batch", "*.westeurope.batch.azure.com"),
        (Seen(host="x.germanywestcentral.service.batch.azure.com"), "aml/batch", "*.germanywestcentral.service.batch.azure.com"),
        (Seen(ip="203.0.113.20", service="udp/5831"), "aml/compute-management", "tag:AzureMachineLearning"),
        (Seen(ip="203.0.113.20", service="tcp/8787"), "aml/service", "tag:AzureMachineLearning"),
        (Seen(ip="203.0.113.70", service="tcp/443"), "aml/batch", "tag:BatchNodeManagement.WestEurope"),
        (Seen(ip="203.0.113.90", service="tcp/443"), "aml/batch-global", "tag:BatchNodeManagement"),
        (Seen(ip="203.0.113.130", service="tcp/443", plane="nsg"), "aml/storage", "tag:Storage.WestEurope"),
        (Seen(ip="203.0.113.170", service="tcp/443", plane="nsg"), "aml/storage", "tag:Storage.NorthEurope"),
        (Seen(ip="10.20.5.8", service="tcp/445", plane="nsg"), "aml/storage-smb", "10.0.0.0/8"),
        (Seen(ip="10.20.5.8", service="tcp/443", plane="nsg"), "aml/private-endpoints", "tag:VirtualNetwork"),
        (
            Seen(src="203.0.113.20", ip="10.20.1.4", service="tcp/44224", direction="inbound", plane="nsg"),
            "aml/public-ip-inbound",
            "tag:AzureMachineLearning",
        ),
        (
            Seen(host="raw.githubusercontent.com"),
            "vscode/remote-websocket",
            "raw.githubusercontent.com/microsoft/vscode-tools-for-ai/master/azureml_remote_websocket_server/*",
        ),
    ],
)  # fmt: skip
def test_a_documented_need_explains_its_flow(seen: Seen, requirement: str, by: str) -> None:
    assert explained(seen) == (requirement, by, "needed")


@pytest.mark.parametrize(
    "host",
    [
        "huggingface.co.evil.example",
        "evilhuggingface.co",
        "huggingface.co.evil.com",
        "xn--huggingfce-93a.co",
        "huggingface.com.co",
        "anaconda.com.example",
        "evilanaconda.com",
        "westeurope.batch.azure.com.evil.example",
        "batch.azure.com",
        "pool.nowhere.batch.azure.com",
        "a.docker.io.example",
    ],
)
def test_a_name_that_only_looks_alike_never_matches(host: str) -> None:
    assert explained(Seen(host=host)) == (None, None, "unexplained")


@pytest.mark.parametrize(
    "host", ["pytorch.org", "download.pytorch.org", "docker.io", "hub.docker.io", "registry-1.docker.io"]
)
def test_a_bare_name_and_its_subdomains_are_different_needs(host: str) -> None:
    requirement, by, _ = explained(Seen(host=host))
    assert {
        "pytorch.org": ("packages/pytorch-bare", "pytorch.org"),
        "download.pytorch.org": ("packages/pytorch-wheels", "download.pytorch.org"),
        "docker.io": ("docker/hub", "docker.io"),
        "hub.docker.io": ("docker/registry-suffix", "*.docker.io"),
        "registry-1.docker.io": ("docker/registry", "registry-1.docker.io"),
    }[host] == (requirement, by)


def test_registry_1_docker_io_is_explained_by_the_vendor_layer_because_docker_io_alone_does_not_match_it() -> None:
    requirement = next(one for one in KNOWN if one.id == "docker/registry")
    assert explained(Seen(host="registry-1.docker.io"))[0] == requirement.id
    assert requirement.basis == "vendor"


def test_azure_cloud_never_explains_a_flow() -> None:
    assert explained(Seen(ip="203.0.113.5", service="udp/1194", plane="nsg")) == (None, None, "unexplained")


@pytest.mark.parametrize("ip", ["169.254.169.254", "fe80::1", "127.0.0.1", "168.63.129.16"])
def test_an_address_that_no_virtual_network_can_hold_is_not_in_one(ip: str) -> None:
    assert explained(Seen(ip=ip, service="tcp/443", plane="nsg")) == (None, None, "unexplained")


def test_without_a_service_tag_file_an_address_stays_unexplained() -> None:
    flows = frame([Seen(ip="203.0.113.20", service="udp/5831")])
    assert match(flows, KNOWN)["verdict"].to_list() == ["unexplained"]


def test_a_region_that_was_given_excludes_the_others() -> None:
    there, elsewhere = Seen(host="p.westeurope.batch.azure.com"), Seen(host="p.northeurope.batch.azure.com")
    choice = Choice(region="WestEurope")
    assert explained(there, choice)[0] == "aml/batch"
    assert explained(elsewhere, choice)[0] is None
    assert nearest(elsewhere, choice) == [("aml/batch", "documented for WestEurope, seen for NorthEurope")]


def test_a_profile_that_was_picked_excludes_needs_of_others_and_they_are_named_as_near() -> None:
    choice = Choice(profiles=("pip",))
    assert explained(Seen(host="pypi.org"), choice)[0] == "packages/pip"
    assert explained(Seen(host="cloud.r-project.org"), choice)[0] is None
    assert nearest(Seen(host="cloud.r-project.org"), choice) == [
        ("packages/r", "documented for the profile r, which was not picked")
    ]


def test_a_profile_takes_in_what_its_needs_depend_on() -> None:
    """Images come by the front door, which the page asks for in training; clusters pull them as well."""
    tags = service_tags({"AzureFrontDoor.FirstParty": ["203.0.113.0/28"]})
    seen = frame([Seen(ip="203.0.113.9", service="tcp/443")])
    for profile, need in (("aks", "aml/front-door-first-party"), ("pip", None)):
        assert match(seen, KNOWN, tags=tags, choice=Choice(profiles=(profile,)))["requirement"].to_list() == [need]


@pytest.mark.parametrize(
    ("seen", "needs"),
    [
        (Seen(host="huggingface.co", service="https/8443"), [("hf/hub", "documented on 443, seen on 8443")]),
        (
            Seen(ip="203.0.113.20", service="tcp/5831"),
            [
                ("aml/service", "documented on 443, 8787, 18881, seen on 5831"),
                ("aml/compute-management", "documented over udp/5831, seen over tcp/5831"),
            ],
        ),
        (
            Seen(host="mirror.huggingface.co.evil.example"),
            [],
        ),
        (
            Seen(host="pypi.org.evil.example"),
            [("packages/pip", "begins like pypi.org and is another name")],
        ),
        (Seen(host="mirror.pypi.org"), [("packages/pip", "documented bare (pypi.org), seen with a subdomain")]),
        (Seen(host="tensorflow.org"), [("packages/tensorflow", "documented with a subdomain (*.tensorflow.org), seen bare")]),
        (
            Seen(ip="203.0.113.5", service="udp/1194", plane="nsg"),
            [],
        ),
        (Seen(host="wandb.example"), []),
        (Seen(host="pypi.org", service="icmp"), [("packages/pip", "documented over https/443, seen over icmp")]),
    ],
)  # fmt: skip
def test_the_nearest_need_says_what_differs(seen: Seen, needs: list[tuple[str, str]]) -> None:
    assert nearest(seen) == needs


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Seen(host="pypi.org"), "needed"),
        (Seen(host="wandb.example"), "unexplained"),
        (Seen(host="pypi.org", cause="deny rule", rule="pol / grp / rc / block-all"), "needed"),
        (Seen(host="wandb.example", cause="deny rule", rule="x"), "unexplained"),
        (Seen(host="pypi.org", cause="threat intelligence"), "refused"),
        (Seen(host="wandb.example", cause="threat intelligence"), "refused"),
        (Seen(ip="203.0.113.70", service="tcp/443", cause="intrusion prevention"), "refused"),
        (Seen(ip="203.0.113.70", service="tcp/443", cause="encryption", plane="nsg"), "refused"),
        (Seen(ip="203.0.113.70", service="tcp/443", cause="no host name"), "needed"),
        (Seen(cause="no host name"), "unexplained"),
        (Seen(host="pypi.org", action="Allow"), "working"),
        (Seen(host="wandb.example", action="Allow"), "surplus"),
    ],
)
def test_every_flow_has_the_verdict_of_the_table(seen: Seen, verdict: str) -> None:
    assert explained(seen)[2] == verdict


@pytest.mark.parametrize("name", ["block-all", "BLOCK-ALL", "pol / grp / rc / block-all", " block-all "])
def test_a_deny_rule_that_is_never_to_be_overridden_refuses_by_its_whole_or_last_name(name: str) -> None:
    seen = Seen(host="pypi.org", cause="deny rule", rule="pol / grp / rc / Block-All")
    assert explained(seen, never=(name,))[2] == "refused"
    assert explained(seen, never=("another",))[2] == "needed"


def test_the_order_of_flows_is_kept_and_every_column_comes_through() -> None:
    flows = frame([Seen(host="b.example"), Seen(host="pypi.org"), Seen(host="a.example")])
    matched = match(flows, KNOWN)
    assert matched["dst_fqdn"].to_list() == ["b.example", "pypi.org", "a.example"]
    assert matched.select(flows.columns).equals(flows)


def test_no_flows_give_no_matches() -> None:
    assert match(frame([]), KNOWN, tags=TAGS).height == 0
    assert near(match(frame([]), KNOWN), KNOWN, tags=None, choice=Choice()).height == 0


def _hosts() -> list[str]:
    """Names on, below, above and beside the endpoints of the catalogue."""
    names = {"wandb.example", "localhost", "com", "evil.example"}
    for requirement in KNOWN:
        for way in requirement.ways:
            for peer in way.peers:
                if peer.kind in ("host", "wildcard", "url"):
                    text = peer.text.partition("/")[0].removeprefix("*.").replace("<region>", "westeurope")
                    text = (
                        text.replace("<storage>", "acct7")
                        .replace("<registry>", "reg7")
                        .replace("<workspace-id>", "ws-1")
                    )
                    names |= {
                        text,
                        f"a.{text}",
                        f"a.b.{text}",
                        f"evil{text}",
                        f"{text}.evil.example",
                        text.partition(".")[2],
                    }
    return sorted(names - {""})


_SEEN = st.builds(
    Seen,
    host=st.none() | st.sampled_from(_hosts()),
    ip=st.none() | st.sampled_from(["203.0.113.20", "203.0.113.70", "203.0.113.90", "203.0.113.140", "203.0.113.5", "10.1.2.3", "8.8.8.8"]),
    src=st.sampled_from(["10.20.1.4", "203.0.113.20", "203.0.113.70"]),
    service=st.sampled_from(["https/443", "http/80", "tcp/443", "tcp/445", "udp/443", "udp/5831", "tcp/8787", "tcp/44224", "udp/123", "https/8443", "icmp"]),
    cause=st.sampled_from(["no rule", "deny rule", "threat intelligence", "intrusion prevention", "no host name", "encryption"]),
    action=st.sampled_from(["Deny", "Deny", "Allow"]),
    rule=st.sampled_from([None, "pol / rc / deny", "DenyInternet"]),
    direction=st.sampled_from(["outbound", "outbound", "inbound"]),
)  # fmt: skip


@given(
    st.lists(_SEEN, min_size=1, max_size=12),
    st.sampled_from([None, "WestEurope", "NorthEurope"]),
    st.sampled_from([(), ("pip",), ("training", "huggingface")]),
    st.sampled_from([(), ("denyinternet",), ("deny",), ("RC",), ("pol/rc",), ("pol / deny",), ("x", "rc / deny")]),
)
def test_matching_agrees_with_reading_the_catalogue_one_flow_at_a_time(
    seen: list[Seen], region: str | None, profiles: tuple[str, ...], never: tuple[str, ...]
) -> None:
    choice = Choice(region, profiles)
    matched = match(frame(seen), KNOWN, tags=TAGS, choice=choice, never_override=never)
    for each, requirement, by, verdict in zip(
        seen, matched["requirement"], matched["by"], matched["verdict"].cast(pl.String), strict=True
    ):
        expected = plain.match(each, KNOWN, region=region, profiles=profiles)
        assert (requirement, by) == expected
        assert verdict == plain.verdict(each, *expected, never)


DENIED = Seen(host="pypi.org", cause="deny rule", rule="pol1 / rcg1 / Deny-Coll / deny-batch")


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("deny-batch", "refused"), (" DENY-BATCH ", "refused"), ("deny-coll", "refused"), ("rcg1", "refused"),
        ("pol1", "refused"), ("deny-coll / deny-batch", "refused"), ("rcg1/deny-coll", "refused"),
        ("pol1 / rcg1 / deny-coll / deny-batch", "refused"), ("/deny-batch", "refused"),
        ("deny", "needed"), ("batch", "needed"), ("pol1 / deny-batch", "needed"), ("", "needed"), ("/", "needed"),
    ],
)  # fmt: skip
def test_a_deny_rule_is_respected_by_its_name_or_that_of_what_it_lies_in(name: str, verdict: str) -> None:
    assert match(frame([DENIED]), KNOWN, never_override=[name])["verdict"].to_list() == [verdict]


def test_a_name_that_no_deny_rule_bears_is_told_with_the_nearest_that_do() -> None:
    seen = [
        DENIED,
        Seen(host="a.example", cause="deny rule", rule="DenyInternet"),
        Seen(host="a.example", cause="no rule", rule="default"),
        Seen(host="a.example", action="Allow", rule="allow-web"),
        Seen(host="a.example", cause="deny rule"),
    ]
    names = ["deny-bacth", "DenyInternt", "denyinternet", "default", "allow-web", "rcg1", "deny-bacth"]
    both = ("DenyInternet", str(DENIED.rule))
    assert strangers(names, frame(seen)) == (
        ("deny-bacth", (DENIED.rule,)), ("DenyInternt", ("DenyInternet",)), ("default", both), ("allow-web", both),
    )  # fmt: skip
    assert strangers(["x"], frame(seen[2:])) == (("x", ()),)
    assert strangers([], frame(seen)) == ()


def test_evidence_is_kept_over_matching() -> None:
    when = datetime(2026, 11, 21, 3, tzinfo=UTC)
    seen = Seen(host="pypi.org", events=7, at=when)
    row = match(frame([seen]), KNOWN).row(0, named=True)
    assert (row["events"], row["first_seen"], row["last_seen"] - when) == (7, when, timedelta(0))
