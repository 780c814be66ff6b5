"""The configuration: every option has a flag, and every mistake is told with its place."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fwlens.cli.commands import app
from fwlens.cli.nightly import nightly
from fwlens.cli.sound import unsound
from fwlens.cli.terminal import say
from fwlens.config import LAKES, OPTIONS, SPANS, Settings, read, settle, settled, shown
from fwlens.errors import FwlensError
from fwlens.store import is_remote

RUN = CliRunner()


def of(folder: Path, text: str, **flags: Any) -> Settings:
    file = folder / "fwlens.toml"
    file.write_text(text)
    return settle(file, *read(file), flags)


def faults(folder: Path, text: str, **flags: Any) -> list[str]:
    with pytest.raises(FwlensError) as told:
        of(folder, text, **flags)
    return str(told.value).replace(f"{folder}/", "").split("\n")


def test_every_option_has_a_flag_of_the_same_name_and_every_flag_an_option() -> None:
    flags = set(inspect.signature(nightly).parameters)
    assert flags - set(OPTIONS) == {"config", "until", "dry_run"}  # what only one night can have
    assert set(OPTIONS) <= flags
    said = RUN.invoke(app, ["nightly", "--help"], terminal_width=200).output
    assert [name for name in OPTIONS if f"--{name.replace('_', '-')}" not in said] == []


def test_no_flag_has_a_default_that_would_hide_the_file() -> None:
    defaults = {name: one.default for name, one in inspect.signature(nightly).parameters.items() if name in OPTIONS}
    assert set(defaults.values()) == {None}


def test_the_file_says_what_the_flags_do_not(tmp_path: Path) -> None:
    got = of(tmp_path, 'logs = ["a"]\nlook_back = "3d"\nwith_allowed = true\n', look_back="2d", with_allowed=False)
    assert (got.logs, got.look_back, got.with_allowed) == ((f"{tmp_path}/a",), "2d", False)


def test_paths_of_a_file_are_meant_from_where_it_lies_and_those_of_flags_from_here(tmp_path: Path) -> None:
    text = 'logs = ["logs/", "/var/log/x", "https://acc.blob.core.windows.net/c/"]\nstore = "nights"\nservice_tags = "t.json"\ncatalog = ["own.yaml"]\n'
    got = of(tmp_path, text, reports="out")
    assert got.logs == (f"{tmp_path}/logs", "/var/log/x", "https://acc.blob.core.windows.net/c/")
    assert (got.store, got.reports, got.service_tags) == (f"{tmp_path}/nights", "out", f"{tmp_path}/t.json")
    assert got.catalog == (f"{tmp_path}/own.yaml",)
    assert of(tmp_path, 'logs = ["x"]\nstore = "abfss://c@a.dfs.core.windows.net/n"').store.startswith("abfss://")


def test_all_mistakes_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """# nights
logs = "insights-logs/"
look_back = "a week"
storee = "x"

profile = ["aml", 3]
at_most = 0
breadth = "all"
notify = "yes"
region = "atlantis"
webhook_variable = "https://hooks.example/secret"
[workspaces]
id = 1
"""
    assert faults(tmp_path, text, window="x") == [
        "there are 11 mistakes in the configuration.",
        "--window: 'x' is no span of time: write 90m, 6h, 2d or 1w.",
        "fwlens.toml:2: logs: expected a list, got text.",
        "fwlens.toml:3: look_back: 'a week' is no span of time: write 90m, 6h, 2d or 1w.",
        "fwlens.toml:4: storee: there is no such option: did you mean store?",
        "fwlens.toml:6: profile: expected text, got a whole number at item [1].",
        "fwlens.toml:7: at_most: expected a whole number >= 1.",
        "fwlens.toml:8: breadth: is one of observed, documented.",
        "fwlens.toml:9: notify: expected true or false, got text.",
        "fwlens.toml:10: region: 'atlantis' is no Azure region that fwlens knows. Write the ARM name, such as westeurope.",
        "fwlens.toml:11: webhook_variable: names the variable of the environment that holds the address, such as FWLENS_WEBHOOK.",
        "fwlens.toml:12: workspaces: there is no such option: did you mean workspace?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "fwlens.toml: logs: nothing to read: name a workspace, a resource, or logs (files, folders, blob addresses)."),
        ('logs = ["x"]\nwindow = "2d"', "fwlens.toml:2: window: a window is from 5m to 1d long."),
        ('logs = ["x"]\nlook_back = "0d"', "fwlens.toml:2: look_back: a look-back of nothing sees nothing."),
        ('logs = ["x"]\nkeep_flows = "8d"', "fwlens.toml:2: keep_flows: has to be at least three days longer than look_back and overlap together."),
        ('logs = ["x"]\noverlap = "3d"', "fwlens.toml:2: overlap: an overlap of more than 2d is asked for every night again."),
        ('logs = ["x"]\nstore = " "', "fwlens.toml:2: store: is empty."),
        ('logs = ["x"]\nstore = "https://a.blob.core.windows.net/c?sig=hunter2"', "fwlens.toml:2: store: is a folder, or an address that begins with abfss://."),
        ('logs = ["x"]\nstore = "abfss://c@a.dfs.core.windows.net/s?sig=hunter2"', "fwlens.toml:2: store: holds a '?'. A signature stands in the environment (AZURE_STORAGE_SAS_TOKEN) and never here."),
        ('logs = ["x"]\nstore = "abfss://c@account/s"', "fwlens.toml:2: store: is no address of a data lake: write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER."),
        ('logs = ["x"]\nstore = "abfss://"', "fwlens.toml:2: store: is no address of a data lake: write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER."),
        ('logs = ["x"]\nstore = "nights"\nreports = "./nights/"', "fwlens.toml:3: reports: is the store too: choose another place."),
        ('logs = ["x"]\nreports = "abfss://c@a.dfs.core.windows.net/r"', "fwlens.toml:2: reports: is a folder of this machine, such as a mounted share; an address is none."),
        ('logs = ["x", ""]', "fwlens.toml:1: logs: has an empty item: name a file, a folder, or an address of blobs."),
        ("logs = [", "fwlens.toml: is not TOML (Invalid value (at end of document))."),
        ('logs = ["x"]\nx y', "fwlens.toml:2: is not TOML (Expected '=' after a key in a key/value pair)."),
        ('logs = ["x"]\nplatform = "nsgs"', "fwlens.toml:2: platform: is one of azure-firewall, nsg, aml-managed-network."),
        ("logs = [1,\n", "fwlens.toml: is not TOML (Invalid value (at end of document))."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(tmp_path: Path, text: str, said: str) -> None:
    assert faults(tmp_path, text) == [said]


@pytest.mark.parametrize(("log", "where"), [("nights", "nights"), ("x/../nights/", "x/../nights"), (".", None)])
def test_a_night_does_not_read_what_it_wrote(tmp_path: Path, log: str, where: str | None) -> None:
    (said,) = faults(tmp_path, f'logs = ["{log}"]\nstore = "nights/store"\nreports = "{tmp_path}x"')
    where = where or str(tmp_path)
    assert said == (
        f"fwlens.toml:2: store: lies in {where}, which is read: the night would read what it wrote. Choose another place."
    )


@pytest.mark.parametrize(
    "log", ["*", "n*", "**/*.parquet", "ni?hts/st[o]re", "nights/*/*", "**", "nights/store/*/*/*.json", "*/*/f*"]
)
def test_a_pattern_that_takes_in_the_store_is_told(tmp_path: Path, log: str) -> None:
    (said,) = faults(tmp_path, f'logs = ["{log}"]\nstore = "nights/store"\nreports = "{tmp_path}x"')
    assert said == (
        f"fwlens.toml:2: store: lies in {log}, which is read: the night would read what it wrote. Choose another place."
    )


@pytest.mark.parametrize("log", ["*/2*/*.json", "r/*/*", "**/d*f.json"])
def test_a_pattern_that_takes_in_the_reports_is_told(tmp_path: Path, log: str) -> None:
    (said,) = faults(tmp_path, f'logs = ["{log}"]\nstore = "{tmp_path}x"\nreports = "r"')
    assert said.startswith(f"fwlens.toml:3: reports: lies in {log}, which is read: ")


@pytest.mark.parametrize("log", ["*.json", "logs/*", "*/*.jsonl", "night", "nights/store.*", "nights/*.json"])
def test_a_pattern_beside_the_store_is_right(tmp_path: Path, log: str) -> None:
    of(tmp_path, f'logs = ["{log}"]\nstore = "nights/store"\nreports = "r/r/r"')


def test_a_store_beside_what_is_read_is_right(tmp_path: Path) -> None:
    of(tmp_path, 'logs = ["logs", "https://a.blob.core.windows.net/c/"]\nstore = "logs-store"\nreports = "r"')
    of(tmp_path, 'logs = ["logs\\u0000"]\nreports = "r"')


def test_a_store_is_in_a_lake_wherever_its_address_may_begin_so() -> None:
    assert all(is_remote(f"{lake}x") for lake in LAKES)


def test_a_key_within_a_text_is_not_its_place(tmp_path: Path) -> None:
    text = 'region = """\nlook_back = 3\n"""\nlook_back = 3\n'
    assert faults(tmp_path, text)[-1] == "fwlens.toml:4: look_back: expected text, got a whole number."


def test_a_file_that_is_missing_is_told_unless_nobody_named_it(tmp_path: Path) -> None:
    assert read(tmp_path / "fwlens.toml", optional=True) == ("", {})
    with pytest.raises(FwlensError, match=r"other\.toml: there is no such file"):
        read(tmp_path / "other.toml")


def test_a_night_without_a_configuration_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = (
        "fwlens.toml: there is no such file here. Write one, name another with --config, or let flags say what to read"
    )
    for words in (["nightly"], ["nightly", "--store", "nights"], ["config", "check"]):
        with pytest.raises(FwlensError, match=re.escape(f"{said} (`fwlens nightly --logs FOLDER`).")):
            RUN.invoke(app, words, catch_exceptions=False)


@given(st.sampled_from(OPTIONS), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5,
))  # fmt: skip
def test_whatever_an_option_holds_it_is_right_or_told_with_its_name(name: str, value: object) -> None:
    got: Settings | None = None
    said = ""
    try:
        got = settle(Path("fwlens.toml"), "", {"logs": ["x"], name: value}, {})
    except FwlensError as told:
        said = str(told)
    assert all(f": {name}: " in line for line in said.split("\n") if line and "mistakes" not in line)
    assert got is None or all(got.span(each) is not None for each in SPANS)


# The command


def test_check_shows_what_would_be_used_and_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "fwlens.toml"
    file.write_text('logs = ["https://a.blob.core.windows.net/c/?sv=1&sig=SECRET"]\nwebhook_variable = "HOOK"\n')
    done = RUN.invoke(app, ["config", "check", "--config", str(file)], env={"HOOK": "https://hooks.example/SECRET"})
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert ["logs", '["https://a.blob.core.windows.net/c/(hidden)"]', "fwlens.toml"] in lines
    assert ["look_back", '"7d"', "default"] in lines
    assert [line[0] for line in lines] == ["option", *OPTIONS]
    assert done.stderr == "fwlens: The webhook's address comes from the environment variable HOOK, which is set.\n"
    assert "SECRET" not in done.output


def test_a_wrong_configuration_ends_with_1_and_its_mistakes(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("at_most = 0\nnotify = 1\n")
    for command in (["config", "check"], ["nightly"]):
        done = subprocess.run(
            [sys.executable, "-m", "fwlens", *command, "--config", "c.toml"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "fwlens: there are 2 mistakes in the configuration.\n"
            "c.toml:1: at_most: expected a whole number >= 1.\nc.toml:2: notify: expected true or false, got a whole number.\n"
        )


UNSOUND = """logs = ["https://example.com/c/", "later/"]
workspace = [
  "abc",
  "11111111-2222-3333-4444-555555555555",
]
resource = ["/x"]
tenant = "?"
endpoint = "foo"
store = "abfss://x"
profile = ["nope", "training", "never"]
service_tags = "nothere.json"
catalog = ["nothere.yaml"]
subnet = ["10.0.0.1/24", "10.0.0.0/24"]
target = "a\\u001b[2Jb"
region = "atlantis"
at_most = 0
"""
TOLD = [
    "fwlens: there are 12 mistakes in the configuration.",
    "c.toml:1: logs: https://example.com/c/: is no storage account of Azure. Write https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX or abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX.",
    "c.toml:2: workspace: 'abc' is no workspace id: that is the GUID which the portal shows as Workspace ID on the workspace's overview. (Resources go by --resource.)",
    "c.toml:6: resource: '/x' is no resource id: it begins with /subscriptions/ and stands in the portal under Properties.",
    "c.toml:7: tenant: '?' is no tenant: give its GUID or its domain name.",
    "c.toml:8: endpoint: 'foo' is no address: it looks like https://api.loganalytics.io.",
    "c.toml:9: store: names no account: write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER.",
    "c.toml:11: service_tags: {}/nothere.json: the service-tag file cannot be read (No such file or directory).",
    "c.toml:12: catalog: {0}/nothere.yaml: the catalogue file cannot be read ([Errno 2] No such file or directory: '{0}/nothere.yaml').",
    "c.toml:13: subnet: '10.0.0.1/24' is no subnet (10.0.0.1/24 has host bits set). Write a network such as 10.20.1.0/24.",
    "c.toml:14: target: 'a\\x1b[2Jb' is no name of an Azure resource: letters, digits, and _ . - within.",
    "c.toml:15: region: 'atlantis' is no Azure region that fwlens knows. Write the ARM name, such as westeurope.",
    "c.toml:16: at_most: expected a whole number >= 1.",
]  # fmt: skip
"""What both commands say of it. Which profiles there are is not known while a catalogue file is missing."""


@pytest.mark.parametrize("command", [["config", "check"], ["nightly"]], ids=" ".join)
def test_what_a_night_could_not_use_is_told_with_its_line_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text(UNSOUND)
    done = RUN.invoke(app, [*command, "--config", "c.toml"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [line.format(tmp_path) for line in TOLD]
    assert [one.name for one in tmp_path.iterdir()] == ["c.toml"]


@pytest.mark.parametrize("command", [["config", "check"], ["nightly"]], ids=" ".join)
def test_each_profile_that_there_is_not_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text('logs = ["later"]\nprofile = ["nope", "training", "never"]\n')
    done = RUN.invoke(app, [*command, "--config", "c.toml"])
    lines = done.stderr.splitlines()
    assert (done.exit_code, done.stdout, len(lines)) == (1, "", 3)
    assert lines[1].startswith("c.toml:2: profile: 'never' is no profile of the catalogue. There are: aks, ")
    assert lines[2].startswith("c.toml:2: profile: 'nope' is no profile of the catalogue. There are: aks, ")


def test_catalogues_that_are_right_alone_may_be_wrong_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    need = "- {id: own/x, for: X., ways: [{to: [x.example.org], over: [https/443]}]}"
    for name in ("a", "b"):
        page = f"page: {name}\nurl: https://example.org\nlayer: observed\nread_on: 2026-11-21\nneeds:\n  {need}\n"
        Path(f"{name}.yaml").write_text(page)
    Path("c.toml").write_text('logs = ["later"]\ncatalog = ["a.yaml", "b.yaml"]\n')
    done = RUN.invoke(app, ["config", "check", "--config", "c.toml"])
    said = f"c.toml:2: catalog: {tmp_path}/b.yaml: the id own/x is there twice. Give each need its own.\n"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"fwlens: {said}")


@pytest.mark.parametrize("command", [["config", "check"], ["nightly"]], ids=" ".join)
def test_a_place_that_is_a_file_or_lies_in_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("x")
    Path("c.toml").write_text('logs = ["later"]\nstore = "a"\nreports = "a/b/c"\n')
    done = RUN.invoke(app, [*command, "--config", "c.toml"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1:] == [
        f"c.toml:2: store: {tmp_path}/a is a file, and a store is a folder. Choose another place.",
        f"c.toml:3: reports: {tmp_path}/a is a file, and reports lie in a folder. Choose another place.",
    ]
    assert Path("a").read_text() == "x"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('platform = "nsg"\nip_groups = true', "c.toml:3: ip_groups: is for rules of azure-firewall."),
        ('platform = "aml-managed-network"\npriority_below = 4000', "c.toml:3: priority_below: is for rules of azure-firewall or nsg."),
        ('platform = "aml-managed-network"\npriority_taken = [200]\ntarget = "ws"', "c.toml:3: priority_taken: is for rules of azure-firewall or nsg."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [["config", "check"], ["nightly"]], ids=" ".join)
def test_an_option_that_does_nothing_for_the_platform_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], text: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text(f'logs = ["later"]\n{text}\n')
    done = RUN.invoke(app, [*command, "--config", "c.toml"])
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"fwlens: {told}\n")


def test_an_option_that_does_something_for_one_of_the_planes_is_right(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('logs = ["later"]\nip_groups = true\npriority_below = 4000\n')
    assert RUN.invoke(app, ["config", "check", "--config", str(tmp_path / "c.toml")]).exit_code == 0


def test_a_lake_whose_account_the_environment_names_is_right(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('logs = ["later"]\nstore = "abfss://x/nights"\n')
    words = ["config", "check", "--config", str(tmp_path / "c.toml")]
    assert RUN.invoke(app, words, env={"AZURE_STORAGE_ACCOUNT_NAME": "account"}).exit_code == 0
    assert RUN.invoke(app, words).exit_code == 1


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--subnet", "foo", "--until", "banana"], 2, "there are 2 mistakes in the configuration.\n--until: 'banana' is no time: "),
        (["--logs", "-"], 2, "--logs: standard input cannot be read again tomorrow: name files, folders or blobs.\n"),
        (["--region", "nowhere"], 2, "--region: 'nowhere' is no Azure region"),
        (["--config", "c.toml", "--region", "nowhere"], 1, "there are 2 mistakes in the configuration.\n--region: 'nowhere' is"),
    ],
)  # fmt: skip
def test_flags_alone_are_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text("at_most = 0\n")
    done = RUN.invoke(app, ["nightly", "--logs", "later", *words])
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith(f"fwlens: {told}")


@given(st.sampled_from(OPTIONS), st.text())
@example("service_tags", "\0")
@example("catalog", "\0")
def test_whatever_a_text_is_a_night_can_use_it_or_says_why(name: str, text: str) -> None:
    for value in (text, [text]):
        said = {"logs": ["x"], name: value}
        _, mistakes = settled(Path("fwlens.toml"), "", said, {}, judge=unsound)
        assert all(line.startswith("fwlens.toml: ") for line in mistakes)


def test_a_mistake_cannot_move_a_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FwlensError) as told:
        of(tmp_path, '"stor\\u001b[2J" = 1')
    say(f"fwlens: {told.value}")
    assert "stor\N{REPLACEMENT CHARACTER}[2J: there is no such option" in capsys.readouterr().err


def test_options_are_shown_as_toml_writes_them() -> None:
    told = {name: (value, origin) for name, value, origin in shown(Settings(logs=("a",)), lambda _: "here")}
    assert told["logs"] == ('["a"]', "here")
    assert told["notify"] == ("false", "here")
    assert told["region"] == ("", "here")
