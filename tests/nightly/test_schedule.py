"""The schedules of docs/schedule/ are tried as far as a machine without Azure goes: checked by their own tools, and
what they run is run, against a Log Analytics on loopback."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from fwlens.config import OPTIONS, SPANS, Settings, read, settle
from tests.emit.parsed import bicep_resources
from tests.loopback import WORKSPACE, Loopback
from tests.nightly.test_kill import arrivals
from tests.nightly.world import PYPI, T0, lines, seen

ROOT = Path(__file__).parents[2]
SCHEDULE = ROOT / "docs/schedule"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A machine on which fwlens is installed and the loopback is who answers for Log Analytics."""
    server = Loopback({WORKSPACE: arrivals()})
    home = tmp_path_factory.mktemp("home")
    with server.serving(tmp_path_factory.mktemp("loopback")) as found:
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        yield {**found, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(home), "ENDPOINT": server.address}


def config(folder: Path, environment: dict[str, str]) -> None:
    text = (SCHEDULE / "fwlens.toml").read_text().replace("00000000-0000-0000-0000-000000000000", WORKSPACE)
    (folder / "fwlens.toml").write_text(f'{text}\nendpoint = "{environment["ENDPOINT"]}"\nlook_back = "6h"\n')


def shell(command: str, folder: Path, environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(options or ("/bin/sh",)), "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip


# The configuration to copy


def test_the_configuration_to_copy_is_right_with_every_line_taken_in(tmp_path: Path) -> None:
    text = (SCHEDULE / "fwlens.toml").read_text()
    whole = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    file = tmp_path / "fwlens.toml"
    file.write_text(whole)
    got = settle(file, *read(file), {})
    named = {line.split(" = ")[0] for line in whole.splitlines() if re.match(r"\w+ = ", line)}
    assert named <= set(OPTIONS)
    assert {name: getattr(got, name) for name in SPANS} == {name: getattr(Settings(), name) for name in SPANS}
    file.write_text(text)
    settle(file, *read(file), {})


# systemd


def test_systemd_finds_nothing_wrong_with_service_and_timer(tmp_path: Path) -> None:
    for name in ("fwlens.service", "fwlens.timer"):
        text = (SCHEDULE / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/fwlens/bin/fwlens", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "fwlens.service", "fwlens.timer"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_runs_a_night_and_takes_3_for_success(tmp_path: Path, environment: dict[str, str]) -> None:
    text = (SCHEDULE / "fwlens.service").read_text()
    assert "\nSuccessExitStatus=3\n" in text
    config(tmp_path, environment)
    found = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert found
    command = found[1].replace("/opt/fwlens/bin/", "").replace("/etc/fwlens/", f"{tmp_path}/")
    until = " --until 2026-11-21T00:30"
    assert shell(command + until, tmp_path, {**environment, "STATE_DIRECTORY": str(tmp_path / "state")}).returncode == 3
    assert sorted(one.name for one in (tmp_path / "state").iterdir()) == ["reports", "store"]


# cron


def cron_command() -> str:
    *_, line = (SCHEDULE / "crontab").read_text().splitlines()
    minute, hour, *days, command = line.split(" ", 5)
    assert (int(minute) in range(60), int(hour) in range(24), days) == (True, True, ["*", "*", "*"])
    assert "%" not in command  # which ends a command in a crontab
    return command


def test_the_line_for_cron_runs_a_night_and_is_silent_when_there_is_something_to_allow(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "now.json").write_bytes(lines([seen(PYPI, (datetime.now(UTC) - T0) / timedelta(minutes=1) - 60)]))
    (tmp_path / "fwlens.toml").write_text('logs = ["now.json"]\n')
    done = shell(cron_command(), tmp_path, {**environment, "FWLENS_HOME": str(tmp_path)})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "Needs: 1 new" in (tmp_path / "night.log").read_text()


def test_the_line_for_cron_says_what_went_wrong(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "fwlens.toml").write_text("")
    done = shell(cron_command(), tmp_path, {**environment, "FWLENS_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert done.stdout.startswith("fwlens: fwlens.toml: logs: nothing to read")


def test_the_line_for_cron_says_it_where_logs_have_stopped(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "now.json").write_bytes(lines([seen(PYPI, 1)]))
    (tmp_path / "fwlens.toml").write_text('logs = ["now.json"]\nkeep_flows = "999w"\nlook_back = "5m"\n')
    done = shell(cron_command(), tmp_path, {**environment, "FWLENS_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "fwlens: error: None of 1 row read lies in the time that was asked for. Nothing is resolved" in done.stdout
    assert done.stdout == (tmp_path / "night.log").read_text()


# GitHub Actions


def test_the_workflow_runs_in_a_clean_folder(tmp_path: Path, environment: dict[str, str]) -> None:
    workflow = yaml.safe_load((SCHEDULE / "github-actions.yml").read_text())
    assert workflow[True] == {"schedule": [{"cron": "10 3 * * *"}], "workflow_dispatch": None}  # YAML 1.1 reads `on` so
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    config(tmp_path, environment)
    summary = tmp_path / "summary.md"
    there = {**environment, "GITHUB_STEP_SUMMARY": str(summary)}
    steps = workflow["jobs"]["night"]["steps"]
    assert [step.get("name") for step in steps if "run" in step] == ["Install", "Check the configuration", "The night"]
    for step in steps:
        command = step.get("run", "true").replace("fwlens nightly", "fwlens nightly --until 2026-11-21T00:30")
        done = shell(command, tmp_path, there, "bash", "--noprofile", "--norc", "-eo", "pipefail")
        assert done.returncode == 0, done.stderr
    assert summary.read_text().startswith("```\nNeeds: ")
    assert (tmp_path / "reports/2026-11-21/report.html").exists()


# Azure Container Apps


def test_the_job_is_bicep_and_its_container_runs_a_night(tmp_path: Path, environment: dict[str, str]) -> None:
    (found,) = [
        one for one in bicep_resources((SCHEDULE / "container-apps-job.bicep").read_text()) if "jobs" in one["type"]
    ]
    assert (found["type"], found["apiVersion"]) == ("Microsoft.App/jobs", "2024-03-01")
    job = found["properties"]
    assert job["configuration"]["scheduleTriggerConfig"]["parallelism"] == 1
    (container,) = job["template"]["containers"]
    assert container["command"] == ["/bin/sh", "-c"]
    names = {one["name"] for one in container["env"]}
    (command,) = container["args"]
    assert set(re.findall(r"\$([A-Z]+)", command)) <= names
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/reports"]
    more = f"--endpoint {environment['ENDPOINT']} --until 2026-11-21T00:30 --look-back 6h"
    command = command.replace("--reports /reports", f"--reports {tmp_path}/reports {more}")
    values = {"WORKSPACE": WORKSPACE, "STORE": str(tmp_path / "store"), "REGION": "westeurope", "NOTIFY": "--no-notify"}
    done = shell(command, tmp_path, {**environment, **values})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reports/2026-11-21/report.html").exists()
