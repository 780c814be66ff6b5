"""The command line as a user meets it: exit codes, whole messages, pipes, and nothing but the artefact on stdout."""

import gzip
import json
import os
import signal
import stat
import subprocess
import sys
import termios
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.night import Entry, as_lines, azfw
from tests.source.logs import application, jsonl

ROOT = Path(__file__).parent.parent
PROGRAM = str(Path(sys.executable).with_name("fwlens"))
SAMPLES = str(ROOT / "sample_logs")
DENIED = str(ROOT / "sample_logs/azfw.jsonl")
HINT = (
    "fwlens: Traffic Analytics names the subnet of sources, not its range: rg-ml/vnet-ml/snet-compute "
    "(4 of the sources). --subnet CIDR names a whole subnet as source.\n"
)


def fwlens(*words: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
    command = [PROGRAM, *words]
    return subprocess.run(command, input=stdin, capture_output=True, env={**os.environ, **env}, check=False, cwd=ROOT)


def said(*words: str, stdin: bytes = b"", **env: str) -> tuple[int, str, str]:
    done = fwlens(*words, stdin=stdin, **env)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_standard_output_that_takes_nothing_is_told_in_a_sentence() -> None:
    words = [PROGRAM, "flows", DENIED, "--format", "json"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (
        1, b"fwlens: Standard output cannot be written (No space left on device).\n",
    )  # fmt: skip
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *words], stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        b"fwlens: Standard output is closed. Open it, or name a file with -o.\n",
    )


def test_a_standard_error_that_is_closed_takes_nothing_from_the_answer() -> None:
    words = ["sh", "-c", '"$@" 2>&-', "sh", PROGRAM, "recommend", SAMPLES]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=False, env={**os.environ})
    assert (done.returncode, done.stdout) == (0, fwlens("recommend", SAMPLES).stdout)


def test_the_sample_night_is_told_in_at_most_100_columns_the_verdict_first() -> None:
    code, out, err = said("recommend", "sample_logs/", COLUMNS="100")
    assert (code, err) == (0, HINT)
    lines = out.splitlines()
    assert lines[:3] == [
        "64 blocked flows (436 log entries), 2026-11-20 22:01 to 2026-11-20 23:42 UTC.",
        "50 are documented needs; 8 rules allow them.",
        "11 are not documented, 3 are refused.",
    ]
    assert max(map(len, lines)) <= 100
    assert "Certificate: complete, sound, irredundant; 8 rules, the fewest possible; surplus 0." in lines


def test_the_readme_shows_what_the_demo_prints() -> None:
    """Each line of the output that the README quotes stands in the real one."""
    quoted = (ROOT / "README.md").read_text("utf-8").split("```")[3].strip("\n").splitlines()
    printed = said("recommend", "sample_logs/")[1].splitlines()
    assert [line for line in quoted if line not in printed] == []


@pytest.mark.parametrize("workers", ["1", "8"])
def test_the_same_logs_give_the_same_bytes_whatever_the_threads_and_hash_seed(workers: str) -> None:
    words = ("recommend", "sample_logs/", "--format", "json")
    other = fwlens(*words, PYTHONHASHSEED="7", POLARS_MAX_THREADS=workers)
    assert other.stdout == fwlens(*words, PYTHONHASHSEED="1").stdout


def test_the_same_logs_in_any_order_give_the_same_bytes() -> None:
    files = sorted(str(path.relative_to(ROOT)) for path in Path(SAMPLES).iterdir())
    forth = fwlens("recommend", *files, "--format", "json")
    assert forth.stdout == fwlens("recommend", *reversed(files), "--format", "json").stdout
    assert forth.stdout == fwlens("recommend", "sample_logs/", "--format", "json").stdout


NEAR = "10.20.1.6      huggingface.co.models-mirror.example  https/443          6  hf/hub: begins like huggingface.co and is another name"


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ("", NEAR),
        ("wide", NEAR),
        ("0", NEAR),
        ("200", NEAR),
        ("100", "10.20.1.6      huggingface.co.models-mirror.…  https/443          6  hf/hub: begins like huggingfac…"),
        ("70", "10.20.1.6      huggingface.co…  https/443          6  hf/hub: begins …"),
    ],
)
def test_a_table_is_as_wide_as_there_are_columns_and_whole_where_nothing_says_how_many(columns: str, line: str) -> None:
    code, out, _ = said("recommend", "sample_logs/", COLUMNS=columns)
    assert (code, [each for each in out.splitlines() if each.startswith("10.20.1.6 ")]) == (0, [line])


def test_a_table_in_a_file_is_whole_whatever_the_terminal_is(tmp_path: Path) -> None:
    file = tmp_path / "night.txt"
    assert said("recommend", "sample_logs/", "-o", str(file), COLUMNS="70")[0] == 0
    assert NEAR in file.read_text("utf-8").splitlines()


def test_a_terminal_is_asked_how_wide_it_is() -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 70))
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [PROGRAM, "flows", DENIED]
    done = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL, env=env)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # what Linux says when the other end is closed
        while piece := os.read(ours, 65_536):
            shown += piece
    os.close(ours)
    lines = shown.decode().splitlines()
    assert (done.wait(), lines[0]) == (0, "action  from        to           over        entries  cause       rule")
    assert max(len(line) for line in lines if line.startswith("Deny")) <= 70


def test_a_subnet_that_was_given_is_no_hint_any_more_and_each_rule_says_what_it_takes_in() -> None:
    code, out, err = said("recommend", "sample_logs/", "--subnet", "10.20.1.0/24", COLUMNS="100")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "Certificate: complete, sound, irredundant; 6 rules, the fewest possible; surplus 5,326." in lines
    assert "    surplus   255 combinations of source, destination and service not seen" in lines
    doubt = "    doubt     It takes in 255 addresses that were not seen to need it, beside 1 that was (--subnet)."
    assert doubt in lines
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("command", ["recommend", "match", "backtest --train 1h --test 30m"])
def test_a_rule_to_respect_that_denied_nothing_is_told_with_the_nearest_that_did(command: str) -> None:
    names = ("--never-override", "DenyInternt", "--never-override", "denysmb")
    told = (
        "fwlens: --never-override 'DenyInternt': no rule of this name denied anything that was read. "
        "Rules that did: DenyInternet.\n"
    )
    code, _, err = said(*command.split(), SAMPLES, *names, "-o", os.devnull)
    assert (code, err.replace(HINT, "")) == (0, told)


def test_the_version_is_told_without_a_command() -> None:
    assert said("--version") == (0, f"fwlens {version('fwlens')}\n", "")


def test_service_tags_alone_are_no_log() -> None:
    path = f"{SAMPLES}/service-tags.json"
    code, _, err = said("recommend", path)
    assert (code, err) == (
        1,
        f"fwlens: {path}: holds service tags and no log that fwlens knows. "
        "Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet.\n",
    )


def test_verify_says_when_the_service_tags_are_others_than_the_rules_rest_on(tmp_path: Path) -> None:
    night, logs = tmp_path / "night.json", tmp_path / "logs"
    night.write_bytes(fwlens("recommend", SAMPLES, "--format", "json").stdout)
    logs.mkdir()
    for path in Path(SAMPLES).glob("[anv]*"):
        (logs / path.name).write_bytes(path.read_bytes())
    begin = "fwlens: The rules rest on the service-tag file with change number 1, and this check"
    assert said("verify", str(night), str(logs))[::2] == (1, f"{begin} has none: pass it with --service-tags.\n")
    newer = tmp_path / "newer.json"
    newer.write_text(
        Path(f"{SAMPLES}/service-tags.json").read_text().replace('"changeNumber": 1,', '"changeNumber": 2,')
    )
    code, out, err = said("verify", str(night), str(logs), "--service-tags", str(newer))
    assert (code, err) == (0, f"{begin} uses 2: tags may name other addresses.\n")
    assert out.startswith("Certificate: complete, sound, irredundant; 8 rules")


def test_standard_input_is_a_log_like_any_other() -> None:
    from_file = json.loads(fwlens("flows", DENIED, "--format", "json").stdout)
    from_pipe = json.loads(fwlens("flows", "-", "--format", "json", stdin=Path(DENIED).read_bytes()).stdout)
    assert [{**flow, "origin": ""} for flow in from_pipe["flows"]] == [
        {**flow, "origin": ""} for flow in from_file["flows"]
    ]
    assert from_pipe["ledger"]["rows_read"] == from_file["ledger"]["rows_read"] > 0


def test_an_answer_goes_to_a_file_whole_and_nothing_to_stdout(tmp_path: Path) -> None:
    code, out, err = said("recommend", SAMPLES, "--format", "json", "-o", str(tmp_path / "night.json"))
    assert (code, out, err) == (0, "", HINT)
    assert json.loads((tmp_path / "night.json").read_bytes())["schema"] == "fwlens.recommendations/1"
    assert [path.name for path in tmp_path.iterdir()] == ["night.json"]


def test_a_disk_that_is_full_is_told_and_gets_back_what_was_written(tmp_path: Path) -> None:
    words = [
        "sh",
        "-c",
        'ulimit -f 8; exec "$@"',
        "sh",
        PROGRAM,
        "recommend",
        SAMPLES,
        "--format",
        "json",
        "-o",
        "x.json",
    ]
    done = subprocess.run(words, capture_output=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (
        1, "", "fwlens: x.json: cannot be written (File too large). Choose another place with -o.\n",
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_an_output_keeps_the_rights_it_had_and_follows_no_link_that_waits_for_it(tmp_path: Path) -> None:
    """Logs tell who talks to whom, and a folder such as /tmp is everybody's."""
    answer, other = tmp_path / "night.json", tmp_path / "other"
    answer.write_text("")
    answer.chmod(0o600)
    other.write_text("mine")
    lies_there = 'ln -s other .night.json.$$.part; exec "$@"'  # as does what a killed run left, where numbers repeat
    words = ["sh", "-c", lies_there, "sh", PROGRAM, "recommend", DENIED, "--format", "json", "-o", "night.json"]
    assert subprocess.run(words, check=False, cwd=tmp_path, stdout=subprocess.PIPE).returncode == 0
    assert (stat.S_IMODE(answer.stat().st_mode), answer.read_bytes()[:1], other.read_text()) == (0o600, b"{", "mine")
    assert sorted(tmp_path.iterdir()) == [answer, other]


@pytest.mark.parametrize("words", ["recommend pipe", "flows pipe", "report pipe -o x.html"])
def test_ctrl_c_ends_what_waits_for_a_log_that_does_not_come(words: str, tmp_path: Path) -> None:
    """polars takes the signal for itself, and what a thread waits for would be waited for still."""
    os.mkfifo(tmp_path / "pipe")
    heeding = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a test may run in the background
    )
    command = [sys.executable, "-c", f"{heeding}; from fwlens.cli import main; main()", *words.split()]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as program:
        with (tmp_path / "pipe").open("wb"):  # as soon as somebody reads
            time.sleep(0.3)
            program.send_signal(signal.SIGINT)
            try:
                assert program.wait(10) == 130
            finally:
                program.kill()
        assert program.stdout
        assert program.stdout.read() == b""


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize(
    ("words", "before"),
    [
        *((f"{command} {SAMPLES} -o {{}}", "-o") for command in ("recommend", "flows", "match", "report", "backtest")),
        ("scale spark x -o {}", "-o"), ("pull --output={}", "--output"), ("flows {}", "flows"), ("flows x {}", "x"),
        ("emit {} --format arm", "emit"), ("verify {} x", "verify"), ("{}", "fwlens"),
        *((f"recommend x {option} {{}}", option) for option in (
            "--region", "--since", "--until", "--never-override", "--profile", "--service-tags", "--keep", "--tenant")),
        ("recommend x --region={} --check", "--region"), ("flows x --format parquet --slot {}", "--slot"),
        ("report x --against {}", "--against"), ("emit x --format arm --device {}", "--device"),
    ],
)  # fmt: skip
def test_an_empty_word_is_wrong_usage(words: str, before: str, empty: str) -> None:
    """A variable of a script that is not set meant all regions and all of the time, or the folder one stands in."""
    told = f"fwlens: what follows {before} is empty: write what is meant, or leave it out.\n"
    assert said(*(word.replace("{}", empty) for word in words.split())) == (2, "", told)


def test_keep_leaves_of_an_earlier_answer_what_as_few_rules_leave_room_for(tmp_path: Path) -> None:
    """Three sources need two of three hosts each: a rule for each source, or one for each host."""
    asked = [(4, "pypi.org"), (6, "pypi.org"), (4, "docker.io"), (8, "docker.io"), (6, "hf.co"), (8, "hf.co")]
    lines = [jsonl(application(SourceIp=f"10.0.0.{source}", Fqdn=host)) for source, host in asked]
    (tmp_path / "tonight.json").write_text("".join(lines))
    kept = []
    for name, few in (("by-host", lines[:2]), ("by-source", [lines[0], lines[2]])):
        (tmp_path / "before.json").write_text("".join(few))
        answer = str(tmp_path / f"{name}.json")
        assert said("recommend", str(tmp_path / "before.json"), "--format", "json", "-o", answer)[0] == 0
        _, printed, _ = said("recommend", str(tmp_path / "tonight.json"), "--keep", answer, "--format", "json")
        rules = [
            {one["id"] for one in json.loads(text)["recommendations"]} for text in (Path(answer).read_text(), printed)
        ]
        kept.append((len(rules[1]), rules[0] <= rules[1]))
    assert kept == [(3, True), (3, True)]
    assert said("recommend", str(tmp_path / "tonight.json"), "--keep", "nix.json") == (
        1, "", "fwlens: nix.json: cannot be read (No such file or directory).\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (Entry(60, "fd10::4", "", 443, "HTTPS", "pypi.org"), "No rules, and none could allow what is needed.\n"),
        (Entry(60, "10.20.1.4", "", 443, "HTTPS", "wandb.example"), "No rules, and nothing that needs one.\n"),
    ],
)
def test_verify_says_whether_something_is_needed_where_there_are_no_rules(
    entry: Entry, line: str, tmp_path: Path
) -> None:
    log, answer = tmp_path / "azfw.jsonl", tmp_path / "answer.json"
    log.write_text(as_lines([azfw(entry)]))
    said("recommend", str(log), "--format", "json", "-o", str(answer))
    assert said("verify", str(answer), str(log)) == (0, line, "")


def test_an_answer_of_a_part_of_its_logs_is_checked_against_that_part(tmp_path: Path) -> None:
    answer, span = tmp_path / "answer.json", ("--since", "2026-11-20T22:00", "--until", "2026-11-20T22:05")
    assert said("recommend", SAMPLES, *span, "--format", "json", "-o", str(answer))[0] == 0
    asked = json.loads(answer.read_text())["asked"]
    assert (asked["since"], asked["until"]) == ("2026-11-20T22:00:00.000000Z", "2026-11-20T22:05:00.000000Z")
    code, out, err = said("verify", str(answer), SAMPLES)
    assert (code, out.split(";")[0], err) == (
        0,
        "Certificate: complete, sound, irredundant",
        "fwlens: The answer is of the logs from 2026-11-20 22:00:00 until 2026-11-20 22:05:00 (UTC), and so is this "
        "check; --since and --until say otherwise.\n",
    )
    code, out, err = said("verify", str(answer), SAMPLES, "--since", "2026-11-20")
    assert (code, " stays blocked." in " ".join(out.split()), " is stale: " in out) == (1, True, False)
    assert err == (
        "fwlens: These logs reach from 2026-11-20T22:01:00.125000Z to 2026-11-20T23:42:00.125000Z, and those of the answer "
        "from 2026-11-20T22:01:00.125000Z to 2026-11-20T22:03:23.125000Z: its evidence is checked as a part of theirs.\n"
    )


def test_verify_accepts_the_answer_and_rejects_it_once_a_rule_is_gone(tmp_path: Path) -> None:
    answer = tmp_path / "night.json"
    answer.write_bytes(fwlens("recommend", SAMPLES, "--format", "json").stdout)
    line = "Certificate: complete, sound, irredundant; 8 rules, the fewest possible; surplus 0.\n"
    assert said("verify", str(answer), SAMPLES) == (0, line, "")
    document = json.loads(answer.read_bytes())
    document["recommendations"] = [one for one in document["recommendations"] if one["platform"] == "nsg"]
    answer.write_text(json.dumps(document))
    code, out, _ = said("verify", str(answer), SAMPLES)
    assert code == 1
    assert "10.20.1.4 to pypi.org over https/443 stays blocked." in out


def test_what_a_document_says_was_asked_for_and_cannot_be_is_told_with_its_place(tmp_path: Path) -> None:
    """It was not typed, so it is no wrong usage."""
    answer = tmp_path / "night.json"
    answer.write_text(
        '{"schema": "fwlens.recommendations/1", "recommendations": [], "asked": {"profiles": ["trainning"]}}'
    )
    code, out, err = said("verify", str(answer), SAMPLES)
    assert (code, out) == (1, "")
    assert err.startswith(f"fwlens: {answer}: asked: 'trainning' is no profile of the catalogue. There are: aks, ")


def test_check_exits_with_3_when_there_is_something_to_allow_and_0_when_not(tmp_path: Path) -> None:
    assert said("recommend", SAMPLES, "--check")[0] == 3
    quiet = tmp_path / "quiet.jsonl"
    quiet.write_text(
        '{"time":"2026-11-20T22:00:00Z","category":"AZFWNetworkRule","properties":{"Protocol":"TCP","SourceIp":"10.0.0.4",'
        '"SourcePort":1,"DestinationIp":"203.0.113.9","DestinationPort":22,"Action":"Allow"}}\n'
    )
    assert said("recommend", str(quiet), "--check")[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "fwlens: {}: is empty. Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet.\n"),
        (
            b"Dear all,\nthe firewall is down.\n",
            "fwlens: {}: holds no log that fwlens knows. "
            "Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet.\n",
        ),
    ],
    ids=["empty", "a letter"],
)
def test_a_file_that_is_no_log_is_one_sentence_and_exit_1(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(content)
    code, _, err = said("recommend", str(path))
    assert (code, err) == (1, message.format(path))


def test_a_missing_file_is_one_sentence_and_the_other_logs_are_answered_all_the_same() -> None:
    code, out, err = said("recommend", "no-such.json", "sample_logs/")
    assert code == 1
    assert err == HINT + (
        "fwlens: no-such.json: cannot be read (No such file or directory). Check the path and its permissions.\n"
    )
    assert out.startswith("64 blocked flows")


def test_a_torn_gzip_gives_what_it_holds_and_says_that_the_rest_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl.gz"
    whole = gzip.compress(Path(DENIED).read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    code, out, err = said("recommend", str(path))
    assert code == 1
    assert "blocked flows" in out
    assert [line for line in err.splitlines() if line.startswith(f"fwlens: {path}: ")] == [err.splitlines()[-1]]
    assert err.endswith("Fetch it again.\n")


@pytest.mark.parametrize(
    "words",
    [(), ("recommend",), ("recommend", "--no-such-option", "x"), ("nothing",), ("recommend", "x", "--format", "xml")],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_prints_no_artefact(words: tuple[str, ...]) -> None:
    code, out, err = said(*words)
    assert code == 2
    assert "Traceback" not in err
    assert "Usage:" in out + err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--region", "atlantis"), 2, "'atlantis' is no Azure region that fwlens knows."),
        (("--profile", "trainning"), 2, "'trainning' is no profile of the catalogue. There are: aks, aks-extension,"),
        (
            ("--since", "2026-11-21", "--until", "2026-11-20"),
            2,
            "--since 2026-11-21 is not before --until 2026-11-20: no time is left between them.",
        ),
        (("--subnet", "10.0.0.0/33"), 2, "'10.0.0.0/33' is no subnet"),
        (("--since", "yesterday"), 2, "'yesterday' is no time: write 2026-11-20T22:00 (UTC), or 90m, 6h, 2d for"),
        (("--at-most", "1"), 1, "--at-most 1 is too few: 6 are needed, whatever is merged. See --curve."),
        (("--service-tags", "no-such.json"), 1, "no-such.json: the service-tag file cannot be read"),
        (("--catalog", "no-such.yaml"), 1, "no-such.yaml: the catalogue file cannot be read"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("form", ["--format", "--format=table"], ids=["quickly", "by the library"])
def test_a_wrong_value_is_one_sentence_and_what_was_mistyped_is_wrong_usage(
    form: str, words: tuple[str, ...], code: int, message: str
) -> None:
    whole = ("recommend", "sample_logs/", *(("--format", "table") if form == "--format" else (form,)), *words)
    found, out, err = said(*whole)
    assert (found, out) == (code, "")
    assert err.startswith(f"fwlens: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("match sample_logs/ --region atlantis", "'atlantis' is no Azure region that fwlens knows."),
        ("match sample_logs/ --profile x", "'x' is no profile of the catalogue."),
        ("flows sample_logs/ --format parquet --slot soon", "'soon' is no span of time: write 90m, 6h, 2d or 1w."),
        ("backtest sample_logs/ --train soon", "'soon' is no span of time: write 90m, 6h, 2d or 1w."),
        ("backtest sample_logs/ --test 0h", "A back-test needs whole minutes to learn and to try on:"),
        ("backtest sample_logs/ --profile x", "'x' is no profile of the catalogue."),
        ("query show health --set seenFrom=soon", "health: seenFrom is a time like 2026-11-20T22:00"),
        ("query show health --set seenFrom", "--set seenFrom: a setting is written NAME=VALUE"),
    ],
)
def test_what_was_mistyped_is_wrong_usage_for_every_command(words: str, message: str) -> None:
    code, out, err = said(*words.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"fwlens: {message}")


@pytest.mark.parametrize(
    "command",
    [
        "recommend", "report", "flows", "match", "verify", "backtest", "catalog list", "catalog show", "catalog check", "tags show",
    ],
)  # fmt: skip
def test_every_command_has_help_that_says_what_it_does(command: str) -> None:
    code, out, err = said(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert "Usage:" in out
    assert len([line for line in out.splitlines() if line.strip()]) > 3


def test_the_catalogue_and_tags_can_be_looked_up() -> None:
    assert said("catalog", "check")[0] == 0
    assert "docker/registry" in said("catalog", "list")[1]
    assert said("catalog", "show", "hf/hub")[1].startswith("hf/hub  (documented, ")
    code, _, err = said("catalog", "show", "hf/hubb")
    assert (code, err) == (1, "fwlens: The catalogue has no need 'hf/hubb'. Did you mean hf/hub?\n")
    out = said("tags", "show", "203.0.113.70", "--service-tags", "sample_logs/service-tags.json")[1]
    assert out.splitlines()[0].startswith("tag ")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    command = f"{PROGRAM} flows {DENIED} --format json | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, check=False, cwd=ROOT)
    assert done.stderr == b""
