"""What Log Analytics says when it does not answer, and the one sentence that each leaves on a terminal."""

import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fwlens import query
from fwlens.errors import FwlensError
from fwlens.query import FLOWS
from fwlens.source.asking import searched
from fwlens.source.credential import no_credential
from fwlens.source.refusal import plain
from fwlens.source.session import Cloud, Target, connect
from fwlens.source.workspace import answers
from tests import kusto
from tests.loopback import TOKEN, WORKSPACE, Loopback, in_turn
from tests.source.pulls import HERE, NETWORK, WHOLE, line_to, night
from tests.test_query import judged

FIREWALL = f"/subscriptions/{WORKSPACE}/resourceGroups/rg-ml/providers/Microsoft.Network/azureFirewalls/fw-ml"
ROLE = (
    "Assign the role Log Analytics Reader on {} to who runs this, and wait: a new role may take an hour. A wrong id or "
    "another tenant (--tenant) looks the same."
)
REFUSED = {
    "401": f"workspace {WORKSPACE}: the token was refused (AuthenticationFailed). Is --tenant the workspace's tenant, and --cloud its cloud?",
    "403 audience": f"workspace {WORKSPACE}: the token is for another service (InvalidAuthenticationTokenAudience). Is --cloud or --endpoint the right one?",
    "403": f"workspace {WORKSPACE}: no permission to read its logs (InsufficientAccessError). {ROLE.format('the workspace')}",
    "404": f"workspace {WORKSPACE}: not found (PathNotFoundError). Workspace ID on the workspace's overview in the portal is what --workspace takes; --cloud says in which cloud it is.",
    "400 syntax": f"{HERE}: the query was refused (HTTP 400, SyntaxError): [2JSyntax Error *** {'x' * 135}[...]. --explain prints what is asked: try it in the portal.",
}


@pytest.mark.parametrize(("fault", "words"), REFUSED.items(), ids=REFUSED)
def test_a_refusal_ends_the_pull_at_once_with_a_way_out(
    fault: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback({WORKSPACE: night()}, plan=in_turn(fault))
    with line_to(server, tmp_path, monkeypatch) as line, pytest.raises(FwlensError) as failed:
        line.answers()
    assert str(failed.value) == words
    assert len(server.asked) == 1
    assert line.slept == []


def test_a_token_that_is_not_valid_yet_points_at_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Loopback({WORKSPACE: night()}, plan=in_turn("401 clock"))
    with line_to(server, tmp_path, monkeypatch) as line, pytest.raises(FwlensError) as failed:
        line.answers()
    said = str(failed.value)
    assert said.startswith(
        f"workspace {WORKSPACE}: the token is not valid at this time (InvalidAuthenticationToken). This machine's clock says "
    )
    datetime.strptime(said.rpartition(" says ")[2], "%Y-%m-%dT%H:%MZ.").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(600.0, "10 minutes ahead of"), (-7200.0, "2 hours behind"), (290.0, None), (-290.0, None)],
)
def test_a_clock_that_differs_is_told_once(
    ahead: float, words: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line_to(Loopback({WORKSPACE: night()}), tmp_path, monkeypatch, ahead=ahead) as line:
        line.answers((*NETWORK, query.find("firewall-nat")))
    if words is None:
        assert line.told == []
        return
    assert len(line.told) == 1
    assert line.told[0].startswith(f"this machine's clock is {words} the service's (20")
    assert line.told[0].endswith("Z). Times counted from now, such as --since 1h, are meant by this machine's clock.")


def test_a_workspace_that_was_never_sent_anything_is_said_to_be_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback({WORKSPACE: night()}, plan=lambda _: "204")
    with line_to(server, tmp_path, monkeypatch) as line, pytest.raises(FwlensError) as failed:
        line.answers()
    assert str(failed.value) == (
        f"workspace {WORKSPACE} is empty: no logs were ever sent there. A firewall sends its logs by a diagnostic setting "
        "(resource-specific tables), flow logs come by Traffic Analytics."
    )
    assert len(server.asked) == 1


def test_a_workspace_without_any_of_the_tables_says_which_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback({WORKSPACE: kusto.Workspace({"NTANetAnalytics": []})})
    with line_to(server, tmp_path, monkeypatch) as line, pytest.raises(FwlensError) as failed:
        line.answers((*NETWORK, query.find("firewall-nat")))
    assert str(failed.value) == (
        f"workspace {WORKSPACE} has none of the tables that were asked for (AZFWNatRule, AZFWNetworkRule). A firewall "
        "sends its logs by a diagnostic setting (resource-specific tables), flow logs come by Traffic Analytics."
    )


def test_a_basic_table_cannot_be_asked_through_a_resource(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Loopback({}, {FIREWALL: night()}, basic=frozenset({"AZFWNetworkRule"}))
    target = Target(resources=(FIREWALL,))
    with line_to(server, tmp_path, monkeypatch, target) as line, pytest.raises(FwlensError) as failed:
        line.answers()
    assert str(failed.value) == (
        f"{FIREWALL}: AZFWNetworkRule has the Basic or Auxiliary plan and can only be asked through its workspace. Name "
        "that with --workspace."
    )


def test_a_resource_without_permission_names_where_the_role_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback({}, {FIREWALL: night()}, plan=in_turn("403"))
    target = Target(resources=(FIREWALL,))
    with line_to(server, tmp_path, monkeypatch, target) as line, pytest.raises(FwlensError) as failed:
        line.answers()
    on = ROLE.format("the resource or its workspace")
    assert str(failed.value) == f"{FIREWALL}: no permission to read its logs (InsufficientAccessError). {on}"


def test_a_certificate_that_is_not_trusted_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with line_to(Loopback({WORKSPACE: night()}), tmp_path, monkeypatch) as line:
        line.answers()
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with connect(line.target, now=time.time, sleep=line.slept.append) as other:
            line.session = other
            with pytest.raises(FwlensError) as failed:
                line.answers()
    assert str(failed.value) == (
        f"workspace {WORKSPACE}: the server's certificate is not trusted here. Behind a proxy that opens TLS, name its "
        "certificate in REQUESTS_CA_BUNDLE."
    )


def test_a_service_that_cannot_be_reached_is_tried_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line_to(Loopback({WORKSPACE: night()}), tmp_path, monkeypatch) as line:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            gone = f"https://127.0.0.1:{closed.getsockname()[1]}"
        with connect(Target((WORKSPACE,), endpoint=gone), now=time.time, sleep=line.slept.append) as session:
            line.session = session
            with pytest.raises(FwlensError) as failed:
                line.answers()
    assert str(failed.value) == (
        f"{HERE}: no whole answer after 5 tries (the service cannot be reached). Is the network up, does this machine "
        "resolve the service's name, is a proxy needed (HTTPS_PROXY)?"
    )


def test_without_a_credential_the_ways_to_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")  # no machine's own identity is asked
    monkeypatch.setenv("PATH", "")
    target = Target((WORKSPACE,))
    with connect(target, now=time.time, sleep=lambda _: None) as session, pytest.raises(FwlensError) as failed:
        answers(target, WHOLE, session=session, tell=lambda _: None, queries=NETWORK)
    assert str(failed.value) == (
        "No credential for Azure was found. Sign in with az login (--tenant names another tenant), set AZURE_TENANT_ID, "
        "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run where there is a managed identity."
    )


ATTEMPTED = (
    "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n\t"
    "EnvironmentCredential: {}\nTo mitigate this issue, please refer to the troubleshooting guidelines here at "
    "https://aka.ms/azsdk/python/identity/defaultazurecredential/troubleshoot."
)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "Authentication failed: AADSTS7000215: Invalid client secret provided. secret=hunter2",
            "EnvironmentCredential was given no token (AADSTS7000215): the client secret is wrong.",
        ),
        (
            "Authentication failed: AADSTS700024: Client assertion is not within its valid time range.",
            "EnvironmentCredential was given no token (AADSTS700024): the assertion is not valid at this "
            "time: check the clock of this machine.",
        ),
        (
            "Authentication failed: AADSTS53003: Blocked by Conditional Access policies.",
            "EnvironmentCredential was given no token (AADSTS53003): "
            "https://login.microsoftonline.com/error?code=53003 says why.",
        ),
        (
            "Max retries exceeded (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] …')))",
            "EnvironmentCredential was given no token: the certificate of who gives them is not trusted "
            "here. Behind a proxy that opens TLS, name its certificate in REQUESTS_CA_BUNDLE.",
        ),
        (
            "something else broke \x1b[31m",
            "EnvironmentCredential was given no token. Sign in with az login (--tenant names another tenant), set "
            "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run where there is a managed identity.",
        ),
    ],
    ids=["secret", "clock", "policy", "certificate", "other"],
)
def test_a_credential_that_is_refused_says_which_and_why(said: str, words: str) -> None:
    assert str(no_credential(ATTEMPTED.format(said))) == words


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Bearer abc.def.ghi is bad", "*** is bad"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIx.sig here", "token *** here"),
        ("a\x1b]0;title\x07b\u202ec\u2028d\te", "a ]0;title b c d e"),
        ("x" * 500, "x" * 155 + "[...]"),
        ("client_secret=hunter2 password=hunter2 https://x?sig=abc", "client_*** *** https://x?***"),
    ],
)
def test_what_a_server_says_is_shown_short_and_without_secrets_or_controls(said: str, shown: str) -> None:
    assert plain(said) == shown


def test_a_resource_that_is_written_in_two_ways_is_asked_once() -> None:
    target = Target((WORKSPACE, WORKSPACE.upper()), (FIREWALL, FIREWALL.upper(), f"{FIREWALL}/"))
    assert [scope.name for scope in target.scopes] == [WORKSPACE, FIREWALL]


@pytest.mark.parametrize(
    ("cloud", "address"),
    [
        ("public", "https://api.loganalytics.io"),
        ("government", "https://api.loganalytics.us"),
        ("china", "https://api.loganalytics.azure.cn"),
    ],
)
def test_each_cloud_has_its_address(cloud: Cloud, address: str) -> None:
    assert Target((WORKSPACE,), cloud=cloud).address == address
    assert (
        Target((WORKSPACE,), cloud=cloud, endpoint="https://api.private.example/v1/").address
        == "https://api.private.example"
    )


@pytest.mark.parametrize(
    ("workspaces", "resources", "tenant", "endpoint", "words"),
    [
        (("my-workspace",), (), None, None, "--workspace 'my-workspace' is no workspace id"),
        ((f"{WORKSPACE}/../x",), (), None, None, "is no workspace id"),
        ((), ("/subscriptions/x",), None, None, "--resource '/subscriptions/x' is no resource id"),
        ((), (f"{FIREWALL}?x=y",), None, None, "is no resource id"),
        ((), (f"{FIREWALL}#x",), None, None, "is no resource id"),
        ((), (f"/subscriptions/{WORKSPACE}/resourceGroups/..",), None, None, "is no resource id"),
        ((WORKSPACE,), (), "a tenant", None, "--tenant 'a tenant' is no tenant"),
        ((WORKSPACE,), (), None, "http://127.0.0.1:80", "--endpoint 'http://127.0.0.1:80' is no address"),
        ((WORKSPACE,), (), None, "https://user:word@host", "is no address"),
    ],
)
def test_what_cannot_be_an_id_is_refused_before_anything_is_sent(
    workspaces: tuple[str, ...], resources: tuple[str, ...], tenant: str | None, endpoint: str | None, words: str
) -> None:
    with pytest.raises(FwlensError) as failed:
        Target(workspaces, resources, tenant=tenant, endpoint=endpoint)
    assert words in str(failed.value)


def test_a_search_says_its_time_in_the_request_only_and_is_still_kql() -> None:
    texts = {name: searched(query.find(name).text) for name in FLOWS}
    for name, text in texts.items():
        filters = [line for line in text.splitlines() if line.lstrip().startswith("| where")]
        assert not [line for line in filters if "TimeGenerated" in line], name
        assert text.count("| extend SeenAt = TimeGenerated") == 1, name
    for verdict in judged(*texts.values()):
        assert verdict["faults"] == []


def test_the_tenant_that_is_named_is_the_one_whose_token_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credential of the Azure CLI runs `az`; this one notes how it was called."""
    token = json.dumps({"accessToken": TOKEN, "expires_on": int(time.time()) + 3600})
    az = tmp_path / "az"
    az.write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/called\necho '{token}'\n")
    az.chmod(0o755)
    tenant = "contoso.onmicrosoft.com"
    with line_to(Loopback({WORKSPACE: night()}), tmp_path, monkeypatch, Target((WORKSPACE,), tenant=tenant)) as line:
        for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
        monkeypatch.setenv("PATH", str(tmp_path))
        with connect(line.target, now=time.time, sleep=line.slept.append) as session:
            line.session = session
            found = line.answers((*NETWORK, query.find("firewall-nat"), query.find("firewall-idps")))
    assert len(found) == 3
    address = line.target.address
    assert (tmp_path / "called").read_text() == (  # once, however many threads ask
        f"account get-access-token --output json --resource {address} --tenant {tenant}\n"
    )
