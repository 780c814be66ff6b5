"""Log Analytics from the command line: real processes, over TLS, and their whole standard error."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fwlens import query
from tests import kusto
from tests.loopback import WORKSPACE, Asked, Loopback

ROOT = Path(__file__).parent.parent
PROGRAM = str(Path(sys.executable).with_name("fwlens"))
SAMPLES = ("azfw.jsonl", "azdiag.jsonl", "azurenetworkanalytics-cl.json", "ntanetanalytics.csv")
NIGHT = ("--since", "2026-11-20T22:00", "--until", "2026-11-21T02:00+02:00")
ASKING = "fwlens: asking Log Analytics for entries from 2026-11-20T22:00Z until 2026-11-21T00:00Z (UTC).\n"
LACKING = (
    f"fwlens: workspace {WORKSPACE} has no table AZFWApplicationRuleAggregation, AZFWDnsFlowTrace, AZFWFatFlow, "
    "AZFWFlowTrace, AZFWInternalFqdnResolutionFailure, AZFWNatRuleAggregation, AZFWNetworkRuleAggregation: nothing of "
    "that kind is sent there.\n"
)


class Terminal:
    """The program beside a loopback service."""

    def __init__(self, server: Loopback, environment: dict[str, str]) -> None:
        self.server, self.environment = server, environment

    def run(self, *words: str, workspace: str = WORKSPACE, **env: str) -> tuple[int, str, str]:
        """Run a command on the workspace: exit code, output, and what was said."""
        place = ("--workspace", workspace, "--endpoint", self.server.address)
        environment = {**os.environ, **self.environment, **env}
        done = subprocess.run([PROGRAM, *words, *place], capture_output=True, text=True, env=environment, check=False)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    server = Loopback({WORKSPACE: kusto.sample_night()})
    with server.serving(tmp_path_factory.mktemp("loopback")) as environment:
        yield Terminal(server, environment)


def files(command: str, *words: str) -> str:
    """What the same command prints for the files of the sample night that hold the same tables."""
    logs = [f"sample_logs/{name}" for name in SAMPLES]
    done = subprocess.run([PROGRAM, command, *logs, *words], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def flows(printed: str) -> list[dict[str, object]]:
    return [{**flow, "origin": ""} for flow in json.loads(printed)["flows"]]


def test_an_outage_is_answered_from_the_workspace_as_from_its_files(terminal: Terminal) -> None:
    code, out, err = terminal.run("recommend", *NIGHT)
    assert (code, err.replace(ASKING + LACKING, "")) == (0, err.removeprefix(ASKING + LACKING))
    assert err.startswith(ASKING + LACKING)
    above = files("recommend").partition("\nRead ")[0]
    assert [re.sub(r"seen +.*", "", line) for line in out.partition("\nRead ")[0].splitlines()] == [
        re.sub(r"seen +.*", "", line) for line in above.splitlines()
    ]


def test_explain_prints_every_query_with_its_window_and_sends_nothing(terminal: Terminal) -> None:
    before = len(terminal.server.asked)
    code, out, err = terminal.run("recommend", *NIGHT, "--explain")
    assert (code, err) == (0, ASKING.replace("asking", "would ask"))
    assert len(terminal.server.asked) == before
    head = f"// {WORKSPACE}/AZFWNetworkRule 2026-11-20T22:00Z/2026-11-21T00:00Z\n"
    sent = f"// POST {terminal.server.address}/v1/workspaces/{WORKSPACE}/query\n"
    assert f"{head}{sent}// {query.find('firewall-network').title}" in out
    assert "let seenFrom = datetime(2026-11-20T22:00:00Z);\nlet seenBefore = datetime(2026-11-21T00:00:00Z);\n" in out
    assert out.count("// POST ") == 16


def test_what_is_pulled_into_a_folder_reads_as_the_workspace_does(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "outage"
    code, out, err = terminal.run("pull", *NIGHT, "-o", str(folder))
    assert (code, out) == (0, "")
    said = re.fullmatch(re.escape(ASKING + LACKING) + r"fwlens: 9 answers with (\d+) rows written to (.*)\.\n", err)
    assert said
    assert said[2] == str(folder)
    names = sorted(path.name for path in folder.iterdir())
    assert names[0] == f"{WORKSPACE}.firewall-application.20261120T220000Z-20261121T000000Z.json"
    done = subprocess.run([PROGRAM, "flows", folder, "--format", "json"], capture_output=True, text=True, check=True)
    there = terminal.run("flows", *NIGHT, "--format", "json")[1]
    assert flows(done.stdout) == flows(there) == flows(files("flows", "--format", "json"))
    code, _, err = terminal.run("pull", *NIGHT, "-o", str(folder))
    assert (code, err) == (
        1,
        f"fwlens: {folder}: is not empty, and what two pulls both hold would count twice. Name a new folder.\n",
    )


def test_a_report_and_a_backtest_read_their_slots_from_the_workspace(terminal: Terminal, tmp_path: Path) -> None:
    code, _, err = terminal.run("report", *NIGHT, "-o", str(tmp_path / "night.html"))
    assert (code, err.partition(str(tmp_path))[0]) == (0, ASKING + LACKING)
    code, _, err = terminal.run("backtest", "--train", "30m", "--test", "30m")
    assert code == 1
    assert "; --since names another time than the last 1 hour)" in err


def test_logs_and_a_workspace_are_read_in_one_run(terminal: Terminal) -> None:
    code, out, _ = terminal.run("flows", str(ROOT / "sample_logs/nsg-flow-log-v2.json"), *NIGHT, "--format", "json")
    inputs = [one["path"] for one in json.loads(out)["ledger"]["inputs"]]
    assert code == 0
    assert inputs[0] == str(ROOT / "sample_logs/nsg-flow-log-v2.json")
    assert inputs[1] == f"{WORKSPACE}/AZFWApplicationRule 2026-11-20T22:00Z/2026-11-21T00:00Z"


def test_a_query_runs_and_its_answer_is_a_table_or_as_it_was_sent(terminal: Terminal) -> None:
    code, out, _ = terminal.run("query", "run", "health", *NIGHT)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == [
        "Type",
        "Rows",
        "Oldest",
        "Newest",
        "Arrived",
        "Late",
        "s",
        "50%",
        "95%",
        "99%",
        "100%",
        "Plan",
    ]
    assert lines[11].split()[:6] == ["AZFWNetworkRule", "26", "2026-11-20", "22:05", "2026-11-20", "23:50"]
    code, out, _ = terminal.run("query", "run", "firewall-nat", *NIGHT, "--set", "slot=15m", "--format", "json")
    answer = json.loads(out)["tables"][0]
    assert (code, len(answer["rows"])) == (0, 1)
    code, _, err = terminal.run("query", "run", "firewall-nat", "--set", "parts=2")
    assert (code, err) == (
        2,
        "fwlens: --set parts=2: write NAME=VALUE; part and parts are set as large answers need it.\n",
    )


def test_a_quiet_day_is_no_failure_and_the_time_that_was_meant_is_said(terminal: Terminal) -> None:
    code, out, err = terminal.run("recommend")
    asked = r"fwlens: asking Log Analytics for entries from (\S+Z) until (\S+Z) \(UTC; --since names another time than the last 24 hours\)\.\n"
    said = re.fullmatch(
        asked
        + re.escape(LACKING)
        + r"fwlens: no log entries from (\S+Z) until (\S+Z) \(UTC\)\. Entries take 3 to 10 minutes "
        r"to arrive, flow logs an hour or more\.\n",
        err,
    )
    assert (code, out.splitlines()[0]) == (0, "No rows were read, so nothing is known.")
    assert said
    assert said.group(1, 2) == said.group(3, 4)


def test_the_hours_that_were_meant_without_since_are_kept_as_if_they_had_been_said(terminal: Terminal) -> None:
    code, out, err = terminal.run("recommend", "--format", "json")
    asked = json.loads(out)["asked"]
    begin, end = (datetime.fromisoformat(asked[name]) for name in ("since", "until"))
    assert (code, end - begin) == (0, timedelta(days=1))
    told = [f"{when:%Y-%m-%dT%H:%M:%S}".removesuffix(":00") for when in (begin, end)]
    assert f"entries from {told[0]}Z until {told[1]}Z (UTC; --since names" in err
    code, out, err = terminal.run("recommend", "--until", "2026-11-20T23:00", "--format", "json")
    asked = json.loads(out)["asked"]
    assert (code, asked["since"], asked["until"]) == (
        0, "2026-11-19T23:00:00.000000Z", "2026-11-20T23:00:00.000000Z",
    )  # fmt: skip
    log = str(ROOT / "sample_logs/nsg-flow-log-v2.json")  # a file beside is read whole
    asked = json.loads(terminal.run("recommend", log, "--format", "json")[1])["asked"]
    assert (asked["since"], asked["until"]) == (None, None)


def test_a_failure_is_one_sentence_and_exit_code_1(terminal: Terminal) -> None:
    other = "bbbbbbbb-0000-4000-8000-000000000002"
    assert terminal.run("recommend", *NIGHT, workspace=other) == (
        1,
        "",
        ASKING
        + f"fwlens: workspace {other}: not found (PathNotFoundError). Workspace ID on the workspace's overview in the "
        "portal is what --workspace takes; --cloud says in which cloud it is.\n",
    )
    code, out, err = terminal.run("flows", *NIGHT, AZURE_TOKEN_CREDENTIALS="dev", PATH="")
    assert (code, out) == (1, "")
    assert err == ASKING + (
        "fwlens: No credential for Azure was found. Sign in with az login (--tenant names another tenant), set AZURE_TENANT_ID, "
        "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run where there is a managed identity.\n"
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("flows",), "Invalid value for LOG: name a file, a folder, a glob or - for standard input, or ask Log Analytics with --workspace."),
        (("recommend", "--explain"), "Invalid value for --explain: it is about Log Analytics: name a --workspace or a --resource too."),
        (("flows", "x.json", "--cloud", "china"), "Invalid value for --cloud: it is about Log Analytics: name a --workspace or a --resource too."),
        (("match", "x.json", "--tenant", "y"), "Invalid value for --tenant: it is about Azure: name a --workspace, a --resource or the address of blobs too."),
        (("pull", "-o", "x"), "Invalid value for --workspace: name a Log Analytics workspace, or a --resource."),
        (("query", "run", "health"), "Invalid value for --workspace: name a Log Analytics workspace, or a --resource."),
    ],
    ids=["no log", "explain", "cloud", "tenant", "pull", "query"],
)  # fmt: skip
def test_half_of_what_is_needed_is_wrong_usage(words: tuple[str, ...], error: str) -> None:
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Usage: fwlens {words[0]}")
    assert done.stderr.endswith(f"Error: {error}\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--workspace", "abc"), "--workspace 'abc' is no workspace id: that is the GUID which the portal shows as Workspace ID on the workspace's overview. (Resources go by --resource.)"),
        (("--resource", "/x"), "--resource '/x' is no resource id: it begins with /subscriptions/ and stands in the portal under Properties."),
        (("--workspace", WORKSPACE, "--tenant", "?"), "--tenant '?' is no tenant: give its GUID or its domain name."),
        (("--workspace", WORKSPACE, "--endpoint", "foo"), "--endpoint 'foo' is no address: it looks like https://api.loganalytics.io."),
        (("--workspace", WORKSPACE, "--since", "2099-01-01", "--explain"), None),
    ],
    ids=["workspace", "resource", "tenant", "endpoint", "since"],
)  # fmt: skip
def test_a_place_that_cannot_be_asked_is_wrong_usage(words: tuple[str, ...], error: str | None) -> None:
    for command in (("flows",), ("recommend",), ("pull", "-o", "x"), ("query", "run", "health")):
        done = subprocess.run([PROGRAM, *command, *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr == f"fwlens: {error}\n" if error else "--since is 2099-01-01T00:00Z and" in done.stderr


@pytest.mark.parametrize("form", [("--format", "json"), ("--format=json",)], ids=["plainly", "by the library"])
def test_files_are_read_without_loading_anything_of_azure(form: tuple[str, ...]) -> None:
    line = ["-m", "fwlens", "recommend", "sample_logs/azfw.jsonl", *form, "-o", os.devnull]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *line], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "polars" in loaded
    assert not loaded & {"azure", "msal", "requests", "cryptography", "deltalake", "pyspark"}


def test_the_loopback_serves_by_itself_and_says_where(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.loopback", "--faults", "0.2", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout
        lines: list[str] = []
        while not lines or not lines[-1].startswith("READY "):
            lines.append(server.stdout.readline().rstrip("\n"))
        environment = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
        place = ("--workspace", WORKSPACE, "--endpoint", lines[-1].removeprefix("READY "))
        done = subprocess.run(
            [PROGRAM, "query", "run", "firewall-nat", *NIGHT, *place, "--format", "json"],
            capture_output=True, text=True, check=False, env={**os.environ, **environment},
        )  # fmt: skip
        server.terminate()
    assert (done.returncode, server.returncode) == (0, 0)
    assert len(json.loads(done.stdout)["tables"][0]["rows"]) == 1


def test_ctrl_c_does_not_wait_for_an_answer(tmp_path: Path) -> None:
    held = threading.Event()

    def plan(_: Asked) -> str:
        held.wait()
        return "dropped"

    server = Loopback({WORKSPACE: kusto.Workspace({})}, plan=plan)
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom fwlens.cli import main\nmain()"
    )
    with server.serving(tmp_path) as environment:
        place = ("--workspace", WORKSPACE, "--endpoint", server.address)
        command = [sys.executable, "-c", start, "flows", *NIGHT, *place]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}) as program:
            assert program.stderr
            said = program.stderr.readline()
            while not server.seen:
                time.sleep(0.05)
            program.send_signal(signal.SIGINT)
            said += program.stderr.read()
        held.set()
    assert (program.returncode, said) == (130, ASKING)
