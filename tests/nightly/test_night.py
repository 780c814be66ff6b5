"""Whole nights: what changed, what is written, how they end."""

import json
import os
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fwlens import catalog
from fwlens.answer import to_json
from fwlens.cli.commands import app
from fwlens.diff import Diff, Undocumented, diff
from fwlens.document import parse
from fwlens.errors import FwlensError
from fwlens.nightly import night, tidy
from fwlens.requirement import Catalog
from fwlens.store import Store
from tests.night import Entry
from tests.nightly.test_notify import SECRET, receiving
from tests.nightly.world import ALLOWED, DOCKER, HUGGING_FACE, PYPI, T0, Told, lines, plan, run, seen

RUN = CliRunner()
H, DAY = timedelta(hours=1), timedelta(days=1)


def write(file: Path, *entries: Entry) -> None:
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_bytes(lines(entries))


def cli(folder: Path, *arguments: str, until: str = "2026-11-21T03:00", **environment: str) -> Result:
    """`fwlens nightly` over the logs of a folder."""
    return RUN.invoke(
        app,
        [
            "nightly", "--logs", str(folder / "logs"), "--store", str(folder / "store"), "--reports",
            str(folder / "reports"), "--look-back", "1d", "--until", until, *arguments,
        ],
        env={"COLUMNS": "", **environment},
    )  # fmt: skip


def spoilt(reports: Path) -> None:
    """A folder for reports in which that of a night cannot be made."""
    reports.mkdir()
    (reports / ".2026-11-21.part").write_text("x")


# What changed


def test_needs_are_new_then_open_then_resolved(tmp_path: Path) -> None:
    files = [str(tmp_path / "logs")]
    write(tmp_path / "logs/1.json", seen(HUGGING_FACE, 1), seen(PYPI, 2))
    first = run(tmp_path, T0 + H, files=files)
    assert (first.diff.appeared, first.diff.stayed, first.diff.resolved) == (("hf/hub", "packages/pip"), (), ())
    write(tmp_path / "logs/2.json", seen(PYPI, 1440), seen(DOCKER, 1441))
    second = run(tmp_path, T0 + 25 * H, files=files)
    assert (second.diff.appeared, second.diff.stayed, second.diff.resolved) == (
        ("docker/registry",), ("packages/pip",), ("hf/hub",),
    )  # fmt: skip
    assert second.earlier is not None
    assert second.earlier.run == "2026-11-20T23:00:00Z"
    write(tmp_path / "logs/3.json", seen(ALLOWED, 3500))
    third = run(tmp_path, T0 + 60 * H, files=files)
    assert (third.diff.appeared, third.diff.stayed, third.diff.resolved) == (
        (),
        (),
        ("docker/registry", "packages/pip"),
    )
    assert [first.exit, second.exit, third.exit] == [3, 3, 0]


def test_an_earlier_answer_that_cannot_be_read_is_told_and_the_one_before_it_is_compared_with(tmp_path: Path) -> None:
    files = [str(tmp_path / "logs")]
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    run(tmp_path, T0 + H, files=files)
    store = Store(str(tmp_path / "store"))
    (first,) = store.runs()
    later = replace(
        first, run="2026-11-20T23:30:00Z", until=first.until + H / 2, answer='{"schema": "of another year"}'
    )
    store.finish(later)
    told = Told()
    found = night(plan(tmp_path, T0 + 2 * H, files=files), told)
    assert found.earlier == first
    assert found.diff.stayed == ("packages/pip",)
    (said,) = (text for _, event, text in told.lines if event == "not compared")
    assert said.startswith("the answer of run 2026-11-20T23:30:00Z: ")


def states(found: Diff) -> list[tuple[str, list[str]]]:
    return [(state, [str(each) for each in one.rule.sources]) for state, one in found.rules]


def test_a_rule_that_gains_a_source_has_changed_and_is_neither_new_nor_resolved(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    run(tmp_path, T0 + H, files=[str(tmp_path / "logs")])
    write(tmp_path / "logs/2.json", seen(replace(PYPI, src="10.20.1.9"), 70))
    found = run(tmp_path, T0 + 2 * H, files=[str(tmp_path / "logs")]).diff
    assert (found.appeared, found.stayed) == ((), ("packages/pip",))
    assert states(found) == [("changed", ["10.20.1.4", "10.20.1.9"]), ("replaced", ["10.20.1.4"])]


def test_a_rule_whose_needs_are_all_resolved_is_resolved_and_one_that_stays_is_open(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(DOCKER, 2), seen(DOCKER, 1440))
    run(tmp_path, T0 + H, files=[str(tmp_path / "logs")])
    found = run(tmp_path, T0 + 25 * H, files=[str(tmp_path / "logs")]).diff
    assert sorted(state for state, _ in found.rules) == ["resolved", "still open"]


def known() -> dict[str, tuple[str, ...]]:
    every: Catalog = catalog.load(())
    return {need.id: tuple(page.url for page in (need.page, *need.also)) for need in every.requirements}


def test_a_need_that_left_the_catalogue_or_its_page_is_no_longer_documented(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(DOCKER, 2), seen(HUGGING_FACE, 3))
    then = run(tmp_path, T0 + H, files=[str(tmp_path / "logs")]).answer
    now = replace(then, recommendations=(), unsaid=())
    documented = known()
    pip = documented.pop("packages/pip")
    hub = documented["hf/hub"]
    documented["hf/hub"] = ("https://elsewhere.example/",)
    found = diff(now, parse(to_json(then), "x"), documented)
    assert found.resolved == ("docker/registry",)
    assert [(one.need, bool(set(one.then) & set(pip + hub)), one.now) for one in found.undocumented] == [
        ("hf/hub", True, ("https://elsewhere.example/",)), ("packages/pip", True, ()),
    ]  # fmt: skip
    assert diff(now, parse(to_json(then), "x")).undocumented == ()


def test_a_rule_for_needs_that_are_no_longer_documented_is_told_so(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    then = run(tmp_path, T0 + H, files=[str(tmp_path / "logs")]).answer
    found = diff(replace(then, recommendations=()), parse(to_json(then), "x"), {})
    assert [state for state, _ in found.rules] == ["no longer documented"]
    assert [type(one) for one in found.undocumented] == [Undocumented]


OWN = """page: Ours
url: https://wiki.example.org/needs
layer: observed
read_on: 2026-11-21
needs:
  - {id: ours/one, for: A., ways: [{to: [one.example.org], over: [https/443]}]}
  - {id: ours/two, for: B., ways: [{to: [two.example.org], over: [https/443]}]}
"""


def test_a_need_of_a_catalogue_file_that_is_not_read_any_more_was_asked_for_otherwise(tmp_path: Path) -> None:
    one, two = (replace(PYPI, src=f"10.20.1.{n}", host=f"{name}.example.org") for n, name in ((4, "one"), (5, "two")))
    own = tmp_path / "ours.yaml"
    own.write_text(OWN)
    write(tmp_path / "logs/1.json", seen(one, 1), seen(two, 2))
    cli(tmp_path, "--catalog", str(own), until="2026-11-20T23:00")
    write(tmp_path / "logs/1.json", seen(PYPI, 1560), seen(one, 1561))
    done = cli(tmp_path, until="2026-11-22T03:00")
    lines = [re.sub(" +", " ", line) for line in done.stdout.splitlines()]
    assert lines[:7] == [
        "Needs: 1 new, 0 still open, 1 resolved, 1 no longer recommended; 1 rule would allow what is needed.",
        "Other than then: catalogue files none (ours.yaml then).",
        "",
        "change need rules",
        "new packages/pip app-223b85774b",
        "resolved ours/two -",
        "no longer recommended ours/one denied still, but asked for otherwise",
    ]


def test_a_need_that_left_a_catalogue_file_of_the_same_name_is_no_longer_documented(tmp_path: Path) -> None:
    own = tmp_path / "ours.yaml"
    own.write_text(OWN)
    write(tmp_path / "logs/1.json", seen(replace(PYPI, host="one.example.org"), 1))
    cli(tmp_path, "--catalog", str(own), until="2026-11-20T23:00")
    own.write_text(OWN.replace("one", "three"))
    done = cli(tmp_path, "--catalog", str(own))
    assert "1 no longer documented" in done.stdout.splitlines()[0]


def test_a_need_that_is_denied_still_is_not_resolved_wherever_the_night_is_told(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(HUGGING_FACE, 2))
    cli(tmp_path, until="2026-11-20T23:00")
    with receiving() as hook:
        done = cli(tmp_path, "--profile", "pip", "--notify", FWLENS_WEBHOOK=hook.address)
    lines = [re.sub(" +", " ", line) for line in done.stdout.splitlines()]
    assert lines[:6] == [
        "Needs: 0 new, 1 still open, 0 resolved, 1 no longer recommended; 1 rule would allow what is needed.",
        "Other than then: profiles pip (all then).",
        "",
        "change need rules",
        f"still open packages/pip {lines[4].rpartition(' ')[2]}",
        "no longer recommended hf/hub denied still, but asked for otherwise",
    ]
    assert [line.rpartition(" app-")[0] for line in lines[8:]] == ["changed", "no longer recommended"]
    (said,) = hook.got
    assert (said["counts"]["resolved"], said["counts"]["dropped"]) == (0, 1)
    assert said["lists"] == {
        "Still open": ["packages/pip"], "No longer recommended": ["hf/hub"],
        "Other than then": ["profiles pip (all then)"],
    }  # fmt: skip
    told = json.loads((tmp_path / "reports/2026-11-21/diff.json").read_text())
    assert told["asked"] == [{"what": "profiles", "then": "all", "now": "pip"}]
    assert (told["needs"]["resolved"], told["needs"]["dropped"]) == ([], [{"need": "hf/hub", "why": "asked"}])
    assert [one["state"] for one in told["rules"]] == ["changed", "no longer recommended"]
    page = re.sub("<[^>]*>", "", (tmp_path / "reports/2026-11-21/report.html").read_text())
    assert "0 resolved, 1 no longer recommended. Rules: 1 changed, 1 no longer recommended." in page
    assert "Other than then: profiles pip (all then)." in page
    assert "though they are denied or may behf/hub: denied still, but asked for otherwise" in page
    assert "not blocked in this window\n" not in page
    assert "1 no longer recommended, 0 no longer documented." in runs(tmp_path, "show", "last").stdout
    (last, _) = json.loads(runs(tmp_path, "list", "--format", "json").stdout)
    assert (last["resolved"], last["dropped"]) == (0, 1)


# What is written


def test_a_night_leaves_its_report_and_results_in_a_folder_of_its_day(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    done = cli(tmp_path)
    folder = tmp_path / "reports/2026-11-21"
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        3, "Needs: 1 new, 0 still open, 0 resolved; 1 rule would allow what is needed.",
    )  # fmt: skip
    assert {"report.html", "recommendations.json", "diff.json", "plotly.min.js"} <= {
        one.name for one in folder.iterdir()
    }
    assert (folder / "rules/azure-firewall.bicep").read_text().startswith("//")
    assert json.loads((folder / "recommendations.json").read_text())["schema"] == "fwlens.recommendations/1"
    told = json.loads((folder / "diff.json").read_text())
    assert (told["schema"], told["run"], told["earlier"]) == ("fwlens.diff/1", "2026-11-21T03:00:00Z", None)
    assert told["needs"] == {
        "new": ["packages/pip"], "open": [], "resolved": [], "undocumented": [], "dropped": [], "unknown": [],
    }  # fmt: skip
    assert [one.name for one in (tmp_path / "reports").iterdir()] == ["2026-11-21"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_the_same_night_again_gives_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    cli(tmp_path, until="2026-11-20T23:00")
    write(tmp_path / "logs/2.json", seen(DOCKER, 90))
    cli(tmp_path)
    first = contents(tmp_path / "reports")
    cli(tmp_path)
    assert contents(tmp_path / "reports") == first


def test_a_second_run_on_a_day_leaves_the_folder_of_the_first(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    cli(tmp_path)
    cli(tmp_path, until="2026-11-21T15:30")
    cli(tmp_path, until="2026-11-21T15:30")
    assert sorted(one.name for one in (tmp_path / "reports").iterdir()) == ["2026-11-21", "2026-11-21T1530"]


def test_what_an_interrupted_night_left_of_its_folder_is_put_right(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    cli(tmp_path)
    reports = tmp_path / "reports"
    first = contents(reports)
    (reports / "2026-11-21").rename(reports / ".2026-11-21.old")  # killed between two renames
    (reports / ".2026-11-21.part").mkdir()
    (reports / ".2026-11-21.part/half").write_text("x")
    cli(tmp_path)
    assert contents(reports) == first


def test_the_report_tells_what_changed(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(HUGGING_FACE, 2))
    cli(tmp_path, until="2026-11-20T23:00")
    write(tmp_path / "logs/2.json", seen(PYPI, 1441))
    cli(tmp_path, until="2026-11-22T00:00")
    page = (tmp_path / "reports/2026-11-22/report.html").read_text()
    assert (
        "Against the run of 2026-11-20 23:00 UTC. Needs: 0 new, 1 still open, 1 resolved. Rules: 1 changed, 1 replaced. "
        "What a replaced rule would let through, other rules of its platform do now. What is resolved" in page
    )
    assert "Needs that are resolved: not blocked in this window" in page


def test_a_folder_for_reports_that_cannot_be_made_ends_the_night_with_a_sentence(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    spoilt(tmp_path / "reports")
    done = cli(tmp_path)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        f"fwlens: error: {tmp_path}/reports/2026-11-21: cannot be written (Not a directory). Check --reports."
    )
    (one,) = Store(str(tmp_path / "store")).runs()
    assert (one.state, one.exit, len(one.told)) == ("failed", 1, 1)
    shutil.rmtree(tmp_path / "reports")
    assert cli(tmp_path).exit_code == 3
    assert [one.state for one in Store(str(tmp_path / "store")).runs()] == ["done"]


def test_an_input_that_cannot_be_read_ends_the_night_with_1_after_all_else_is_done(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    done = cli(tmp_path, "--logs", str(tmp_path / "missing"))
    assert done.exit_code == 1
    assert done.stdout.startswith("Needs: 1 new")
    (one,) = Store(str(tmp_path / "store")).runs()
    assert (one.state, one.exit) == ("done", 1)
    assert one.told[0].startswith(f"{tmp_path}/missing: cannot be read")


def test_a_store_whose_runs_are_lost_says_why_every_need_is_new(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    lost = (
        f"fwlens: warning: {tmp_path}/store: it has what earlier nights read, and no run before this one that was done: "
        f"every need is told as new. If {tmp_path}/store/runs was lost, restore it from a copy."
    )
    assert lost not in cli(tmp_path, until="2026-11-20T23:00").stderr
    assert lost not in cli(tmp_path, until="2026-11-20T23:00").stderr
    shutil.rmtree(tmp_path / "store/runs")
    done = cli(tmp_path)
    assert done.stdout.startswith("Needs: 1 new, 0 still open")
    assert lost in done.stderr.splitlines()


def test_a_store_whose_flows_are_lost_says_what_follows(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    lost = (
        f"fwlens: warning: {tmp_path}/store: it has runs, and nothing of what they read: {tmp_path}/store/flows was lost. "
        "What is still there is read again; of the rest nobody can say whether it is resolved. Restore it from a copy."
    )
    assert lost not in cli(tmp_path, until="2026-11-20T23:00").stderr
    shutil.rmtree(tmp_path / "store/flows")
    done = cli(tmp_path)
    assert (done.exit_code, lost in done.stderr.splitlines()) == (3, True)
    assert lost not in cli(tmp_path, until="2026-11-21T04:00").stderr


def test_a_store_whose_runs_are_damaged_is_told_once(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    cli(tmp_path, until="2026-11-20T23:00")
    for file in (tmp_path / "store/runs").glob("*.parquet"):
        file.unlink()
    done = cli(tmp_path)
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 2)
    assert re.sub(r"part-[\w.-]+\.parquet", "part-…", done.stderr.splitlines()[1]) == (
        f"fwlens: error: {tmp_path}/store: the store cannot be read (table runs: part-… is missing). "
        f"Restore {tmp_path}/store/runs from a copy, or move it away: every need is new to the next night."
    )


def test_nothing_to_allow_ends_with_0(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(ALLOWED, 1))
    assert cli(tmp_path).exit_code == 0


def test_a_dry_run_says_the_same_and_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    with receiving() as hook:
        dry = cli(tmp_path, "--dry-run", "--notify", FWLENS_WEBHOOK=hook.address)
    assert (dry.exit_code, hook.got) == (3, [])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["logs"]
    assert cli(tmp_path).stdout == dry.stdout
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(DOCKER, 2))
    before = contents(tmp_path)
    again = cli(tmp_path, "--dry-run", until="2026-11-21T04:00")
    assert contents(tmp_path) == before
    assert again.stdout.startswith("Needs: 1 new, 1 still open, 0 resolved;")


def test_a_region_that_is_none_is_told_before_anything_is_read_or_made(tmp_path: Path) -> None:
    done = cli(tmp_path, "--profile", "nonesuch")
    assert done.exit_code == 2
    assert done.stderr.startswith("fwlens: --profile: 'nonesuch' is no profile of the catalogue. There are: ")
    assert not (tmp_path / "store").exists()


# What it tells


@pytest.mark.parametrize("columns", [60, 160, None])
def test_tables_are_as_wide_as_the_terminal_and_whole_in_a_pipe(tmp_path: Path, columns: int | None) -> None:
    hosts = ("pypi.org", "huggingface.co", "auth.docker.io", "repo.anaconda.com", "marketplace.visualstudio.com")
    write(tmp_path / "logs/1.json", *(seen(replace(PYPI, host=host), 1) for host in hosts))
    done = cli(tmp_path, COLUMNS=str(columns or ""))
    (row,) = (line for line in done.stdout.splitlines() if "auth.docker.io" in line)
    assert len(row) <= (columns or 1000)
    assert row.endswith("https/443") or columns == 60
    assert ("…" in row) == (columns == 60)


def test_a_rule_to_respect_that_denied_nothing_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    done = cli(tmp_path, "--never-override", "DenyBacth")
    told = "fwlens: warning: --never-override 'DenyBacth': no rule of this name denied anything that was read. No named rule did."
    assert (done.exit_code, told in done.stderr.splitlines()) == (3, True)


def test_lines_of_the_log_are_json_with_time_level_event_and_text(tmp_path: Path) -> None:
    write(tmp_path / "logs/a\u202e\x1b[31m.json", seen(PYPI, 1))
    done = cli(tmp_path, "--log-format", "json")
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(one["level"], one["event"]) for one in told] == [
        ("info", "night begins"), ("info", "stored"), ("info", "ledger"), ("info", "report written"), ("info", "night done"),
    ]  # fmt: skip
    assert all({"ts", "level", "event", "text"} <= set(one) for one in told)
    assert told[-1]["exit"] == 3
    assert done.stderr.isascii()


@pytest.mark.parametrize(
    ("words", "code", "event", "text"),
    [
        (("--look-back", "soon"), 2, "night failed", "--look-back: 'soon' is no span of time"),
        (("--profile", "nonesuch"), 2, "night failed", "--profile: 'nonesuch' is no profile of the catalogue"),
        ((), 1, "fault", "A fault in fwlens itself (ZeroDivisionError)"),
    ],
    ids=["configuration", "night", "fault"],
)
def test_whatever_ends_a_night_is_a_line_of_json_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, event: str, text: str
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    if event == "fault":
        monkeypatch.setattr("fwlens.nightly.night", broken)
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    done = cli(tmp_path, "--log-format", "json", *words)
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.exit_code, done.stdout) == (code, "")
    assert (told[-1]["level"], told[-1]["event"]) == ("error", event)
    assert text in told[-1]["text"]


def test_lines_of_text_cannot_move_a_cursor(tmp_path: Path) -> None:
    write(tmp_path / "logs/a\u202e\x1b[31m.json", seen(PYPI, 1))
    assert all(char.isprintable() or char == "\n" for char in cli(tmp_path).stderr)


def test_a_webhook_is_told_and_its_address_is_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    with receiving() as hook:
        done = cli(tmp_path, "--notify", "--webhook-variable", "HOOK", HOOK=hook.address)
    (said,) = hook.got
    assert (said["state"], said["lists"]) == ("done", {"New": ["packages/pip"]})
    assert said["counts"] == {
        "new": 1, "open": 0, "resolved": 0, "unknown": 0, "dropped": 0, "undocumented": 0, "rules": 1,
        "blocked_flows": 1, "unexplained_flows": 0,
    }  # fmt: skip
    assert SECRET not in done.output
    assert SECRET.encode() not in b"".join(contents(tmp_path).values())


def test_a_webhook_that_fails_never_fails_the_night(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    with receiving(404) as hook:
        done = cli(tmp_path, "--notify", FWLENS_WEBHOOK=hook.address)
    assert done.exit_code == 3
    assert "fwlens: warning: The webhook answered 404." in done.stderr.splitlines()
    done = cli(tmp_path, "--notify", FWLENS_WEBHOOK="")
    assert done.exit_code == 3
    assert "no address of a webhook in the environment variable FWLENS_WEBHOOK" in done.stderr


def test_a_night_that_fails_is_told_to_the_webhook_too(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    spoilt(tmp_path / "reports")
    with receiving() as hook:
        assert cli(tmp_path, "--notify", FWLENS_WEBHOOK=hook.address).exit_code == 1
    (said,) = hook.got
    assert (said["state"], said["text"]) == (
        "failed",
        f"fwlens: the night of 2026-11-21T03:00:00Z failed. {tmp_path}/reports/2026-11-21: cannot be written "
        "(Not a directory). Check --reports.",
    )


def test_a_night_that_cannot_even_begin_is_told_to_the_webhook(tmp_path: Path) -> None:
    (tmp_path / "store/.fwlens.lock").mkdir(parents=True)
    with receiving() as hook:
        assert cli(tmp_path, "--notify", FWLENS_WEBHOOK=hook.address).exit_code == 1
        assert cli(tmp_path, "--notify", "--profile", "nonesuch", FWLENS_WEBHOOK=hook.address).exit_code == 2
        assert cli(tmp_path, "--notify", "--dry-run", "--at-most", "0", FWLENS_WEBHOOK=hook.address).exit_code == 2
    assert [one["state"] for one in hook.got] == ["failed"] * 2
    assert re.fullmatch(
        r"fwlens: the night of [0-9TZ:-]+ could not begin. .*store: the store cannot be opened \(Is a directory\). "
        "Check --store.",
        hook.got[0]["text"],
    )
    assert "could not begin. --profile: 'nonesuch' is no profile" in hook.got[1]["text"]


@pytest.mark.parametrize("until", ["0001-01-01", "9999-12-31"])
def test_an_end_that_no_log_reaches_is_told(tmp_path: Path, until: str) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    done = cli(tmp_path, until=until)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert f"--until {until}: no log is of the year {int(until[:4])}." in done.stderr


# Runs


def runs(folder: Path, *arguments: str) -> Result:
    return RUN.invoke(app, ["runs", *arguments, "--store", str(folder / "store")])


def test_runs_are_listed_the_last_one_first_and_shown(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    assert runs(tmp_path, "list").stdout == f"No runs yet in {tmp_path / 'store'}.\n"
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    cli(tmp_path, until="2026-11-20T23:00")
    cli(tmp_path)
    listed = json.loads(runs(tmp_path, "list", "--format", "json").stdout)
    assert [(one["run"], one["exit"], one["new"], one["open"]) for one in listed] == [
        ("2026-11-21T03:00:00Z", 3, 0, 1), ("2026-11-20T23:00:00Z", 3, 1, 0),
    ]  # fmt: skip
    assert runs(tmp_path, "list").stdout.splitlines()[1].split()[:4] == ["2026-11-21T03:00:00Z", "done", "3", "0"]
    shown = runs(tmp_path, "show", "last").stdout
    assert shown.startswith("Run 2026-11-21T03:00:00Z: done, exit 3, fwlens ")
    assert (
        "Needs: 0 new, 1 still open, 0 resolved, 0 not known, 0 no longer recommended, 0 no longer documented."
        in shown.splitlines()
    )
    whole = json.loads(runs(tmp_path, "show", "2026-11-20T23:00:00Z", "--format", "json").stdout)
    assert (whole["answer"]["schema"], whole["diff"]["schema"]) == ("fwlens.recommendations/1", "fwlens.diff/1")


def test_a_run_that_there_was_not_is_told_with_those_that_were(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    cli(tmp_path)
    done = runs(tmp_path, "show", "yesterday")
    assert isinstance(done.exception, FwlensError)
    assert str(done.exception) == "There is no run 'yesterday' in the store. The last ones: 2026-11-21T03:00:00Z."


@pytest.mark.parametrize("command", [("list",), ("list", "--format", "json"), ("show", "last")], ids=" ".join)
def test_a_store_that_there_is_not_is_no_store_without_runs(tmp_path: Path, command: tuple[str, ...]) -> None:
    done, place = runs(tmp_path, *command), tmp_path / "store"
    assert (done.exit_code, done.stdout) == (1, "")
    assert str(done.exception) == f"{place}: there is no such store. Check --store; the first night makes it."
    place.write_text("x")
    done = runs(tmp_path, *command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert str(done.exception) == f"{place}: is no store, which is a folder. Check --store."


# What is too old


def test_what_is_too_old_goes_and_what_could_be_read_again_is_not(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    write(tmp_path / "logs/2.json", seen(DOCKER, 2))
    run(tmp_path, T0 + H, files=[str(tmp_path / "logs")])
    (tmp_path / "logs/2.json").unlink()
    os.utime(tmp_path / "logs/1.json")
    later = plan(tmp_path, T0 + 16 * DAY, files=[str(tmp_path / "logs")])
    told = Told()
    night(later, told)
    tidy(later, told)
    store = Store(str(tmp_path / "store"))
    assert store.flows(T0 - DAY).height == 0
    assert [one.label.rpartition("/")[2] for one in store.inputs()] in (["1.json"], ["1.json", "2.json"])
    assert [one.name for one in (tmp_path / "reports").iterdir()] == ["2026-12-06"]
    assert [event for _, event, _ in told.lines if event == "not tidied"] == []
