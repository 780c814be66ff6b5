"""Logs that stop: what they showed is not resolved, and a night that read nothing is no quiet one."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from typer.testing import CliRunner

from fwlens.cli.commands import app
from fwlens.nightly import Night, Outcome, night
from fwlens.store import Store
from tests.night import Entry
from tests.nightly.test_notify import receiving
from tests.nightly.world import ALLOWED, DOCKER, HUGGING_FACE, PYPI, T0, Arrivals, Told, lines, plan, seen

H, DAY = timedelta(hours=1), timedelta(days=1)
STRANGE = replace(PYPI, host="strange.example")
NETWORK = Entry(0, "10.20.1.4", "203.0.113.7", 8443, "TCP")
SILENT = (
    "Firewall application rules of fw-ml: no row was read since 2026-11-20 22:{} UTC. What they denied is not known to "
    "be resolved: check that this log is still sent."
)


def write(file: Path, *entries: Entry, device: str = "FW-ML") -> None:
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_bytes(lines(entries).replace(b"FW-ML", device.encode()))


def done(planned: Night) -> tuple[Outcome, list[tuple[str, str]]]:
    """A night, and what it warned of."""
    told = Told()
    outcome = night(planned, told)
    return outcome, [(event, text) for level, event, text in told.lines if level != "info" and event != "advice"]


def kinds(outcome: Outcome) -> dict[str, list[str]]:
    """What became of each need."""
    found = outcome.diff
    every = {
        "new": found.appeared,
        "open": found.stayed,
        "resolved": found.resolved,
        "dropped": [one.need for one in found.dropped],
        "not known": [f"{one.need}: {one.why}" for one in found.unknown],
    }
    return {kind: list(needs) for kind, needs in every.items() if needs}


def test_a_night_that_read_nothing_resolves_nothing_and_ends_with_1_every_time(tmp_path: Path) -> None:
    logs = [str(tmp_path / "logs")]
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    done(plan(tmp_path, T0 + H, files=logs))
    for days in (2, 3):
        found, told = done(plan(tmp_path, T0 + days * DAY, files=logs))
        assert (kinds(found), found.exit) == ({"not known": ["packages/pip: unread"]}, 1)
        assert told == [
            ("nothing read", "No rows were read, so nothing is known. Nothing is resolved by that: check that the logs still arrive."),
            ("silent", SILENT.format("01")),
        ]  # fmt: skip
        assert [state for state, _ in found.diff.rules] == (["not known"] if days == 2 else [])
    (*_, last) = Store(str(tmp_path / "store")).runs()
    assert (last.state, last.exit, last.resolved, last.unknown, last.told) == ("done", 1, 0, 1, (told[0][1],))
    write(tmp_path / "logs/2.json", seen(STRANGE, 3 * 1440 + 60))
    found, told = done(plan(tmp_path, T0 + 3 * DAY + 2 * H, files=logs))
    assert (kinds(found), found.exit, told) == ({"resolved": ["packages/pip"]}, 0, [])


def test_a_log_that_stops_is_told_from_the_first_night_on_and_while_its_needs_are_still_in_the_look_back(
    tmp_path: Path,
) -> None:
    """The log of network rules comes on; in the last hours of that of application rules pypi.org was not tried."""
    logs = [str(tmp_path / "logs")]
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(STRANGE, 70), seen(NETWORK, 3))
    done(plan(tmp_path, T0 + 1.5 * H, files=logs))
    found = []
    for hours in (13, 14, 25, 36, 48):
        write(tmp_path / f"logs/{hours}.json", seen(NETWORK, hours * 60 - 90))
        outcome, told = done(plan(tmp_path, T0 + hours * H, files=logs))
        found.append((kinds(outcome), outcome.exit, told))
    stopped = [("silent", SILENT.format("10").replace("22:", "23:"))]
    assert found == [
        ({"open": ["packages/pip"]}, 3, []),  # it may be a quiet one
        ({"open": ["packages/pip"]}, 3, stopped),
        *[({"not known": ["packages/pip: unread"]}, 0, stopped)] * 3,
    ]


def test_a_log_that_is_silent_for_longer_than_flows_are_kept_is_not_told_of_any_more(tmp_path: Path) -> None:
    logs = [str(tmp_path / "logs")]
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    done(plan(tmp_path, T0 + H, files=logs))
    found = []
    for days in (9, 11):
        write(tmp_path / f"logs/{days}.json", seen(NETWORK, days * 1440 - 60))
        found.append(kinds(done(plan(tmp_path, T0 + days * DAY, files=logs))[0]))
    assert found == [{"not known": ["packages/pip: unread"]}, {}]


def test_one_of_two_firewalls_that_stops_is_told_by_its_name(tmp_path: Path) -> None:
    logs = [str(tmp_path / "logs")]
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    write(tmp_path / "logs/2.json", seen(DOCKER, 1), device="FW-2")
    done(plan(tmp_path, T0 + H, files=logs))
    write(tmp_path / "logs/3.json", seen(STRANGE, 1500), device="FW-2")
    found, told = done(plan(tmp_path, T0 + 26 * H, files=logs))
    assert kinds(found) == {"resolved": ["docker/registry"], "not known": ["packages/pip: unread"]}
    assert told == [("silent", SILENT.format("01"))]


def test_a_workspace_whose_tables_have_allowed_entries_only_is_read(tmp_path: Path) -> None:
    world = Arrivals([(T0 + H / 2, seen(PYPI, 1)), (T0 + 25 * H, seen(ALLOWED, 24 * 60))])
    done(plan(tmp_path, T0 + H, world.workspace))
    for _ in range(2):
        found, told = done(plan(tmp_path, T0 + 26 * H, world.workspace))
        assert (kinds(found), found.exit, told) == ({"resolved": ["packages/pip"]}, 0, [])


def test_windows_that_are_asked_for_again_do_not_say_that_a_log_still_grows(tmp_path: Path) -> None:
    world = Arrivals([(T0 + H / 2, seen(PYPI, 1)), (T0 + 11 * H, seen(ALLOWED, 10 * 60))])
    found = []
    for hours in (1, 12, 13, 13, 26):
        outcome, told = done(plan(tmp_path, T0 + hours * H, world.workspace))
        found.append((kinds(outcome), [event for event, _ in told]))
    assert found == [
        ({"new": ["packages/pip"]}, []),
        ({"open": ["packages/pip"]}, []),
        *[({"open": ["packages/pip"]}, ["silent"])] * 2,
        ({"not known": ["packages/pip: unread"]}, ["silent"]),
    ]


def test_allowed_entries_that_were_there_the_night_before_do_not_say_that_a_log_still_grows(tmp_path: Path) -> None:
    logs, grown = [str(tmp_path / "logs")], [seen(PYPI, 1), seen(ALLOWED, 2)]
    write(tmp_path / "logs/1.json", *grown)
    done(plan(tmp_path, T0 + H, files=logs))
    write(tmp_path / "logs/1.json", *grown, seen(replace(NETWORK, table="AZFWDnsQuery", host="x.example"), 1500))
    found, told = done(plan(tmp_path, T0 + 26 * H, files=logs))
    assert (kinds(found), told) == ({"not known": ["packages/pip: unread"]}, [("silent", SILENT.format("01"))])
    write(tmp_path / "logs/1.json", *grown, seen(ALLOWED, 1600))
    found, told = done(plan(tmp_path, T0 + 27 * H, files=logs))
    assert (kinds(found), told) == ({"resolved": ["packages/pip"]}, [])


def test_allowed_entries_of_several_tables_in_one_file_are_not_told_apart_unless_they_are_decoded(
    tmp_path: Path,
) -> None:
    logs = [str(tmp_path / "logs")]
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(NETWORK, 1))
    done(plan(tmp_path, T0 + H, files=logs))
    write(tmp_path / "logs/2.json", seen(ALLOWED, 1500), seen(replace(NETWORK, action="Allow"), 1500))
    found, told = done(plan(tmp_path, T0 + 26 * H, files=logs))
    assert (kinds(found), told) == ({"not known": ["packages/pip: counted"]}, [])
    planned = plan(tmp_path, T0 + 27 * H, files=logs)
    found, told = done(replace(planned, ask=replace(planned.ask, with_allowed=True)))
    assert (kinds(found), told) == ({"resolved": ["packages/pip"]}, [])


def test_what_is_not_known_is_told_in_the_summary_the_files_and_to_whom_it_concerns(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(HUGGING_FACE, 2))
    words = ["nightly", "--logs", str(tmp_path / "logs"), "--store", str(tmp_path / "store")]
    words += ["--reports", str(tmp_path / "reports"), "--look-back", "1d", "--until"]
    assert CliRunner().invoke(app, [*words, "2026-11-20T23:00"]).exit_code == 3
    write(tmp_path / "logs/2.json", seen(NETWORK, 1500))
    with receiving() as hook:
        words[1:1] = ["--notify"]
        environment = {"COLUMNS": "", "FWLENS_WEBHOOK": hook.address}
        said = CliRunner().invoke(app, [*words, "2026-11-22T03:00"], env=environment)
    assert [(one["text"], one["lists"]) for one in hook.got] == [
        (
            "fwlens: Needs: 0 new, 0 still open, 0 resolved, 2 not known; nothing to allow.",
            {"Not known": ["hf/hub", "packages/pip"], "Stopped": [SILENT.format("02")]},
        )
    ]
    assert (said.exit_code, said.stdout.splitlines()[:5]) == (
        0,
        [
            "Needs: 0 new, 0 still open, 0 resolved, 2 not known; nothing to allow.",
            "",
            "change     need          rules",
            "not known  hf/hub        no row of the log that showed it was read since",
            "not known  packages/pip  no row of the log that showed it was read since",
        ],
    )
    told = json.loads((tmp_path / "reports/2026-11-22/diff.json").read_text())
    assert told["needs"]["unknown"] == [{"need": need, "why": "unread"} for need in ("hf/hub", "packages/pip")]
    assert [(one["name"], one["why"]) for one in told["silent"]] == [("firewall application rules", "unread")]
    assert [one["state"] for one in told["rules"]] == ["not known"]
    page = (tmp_path / "reports/2026-11-22/report.html").read_text()
    assert "Needs: 0 new, 0 still open, 0 resolved, 2 not known. Rules: 1 not known." in page
    assert "Needs of which nothing is known now" in page
