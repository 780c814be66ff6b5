"""What the quick reading of a command line understands, the library of command lines understands alike."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fwlens.cli.afar import Afar
from fwlens.cli.commands import app
from fwlens.cli.quick import Words, words
from fwlens.cli.words import AnswerForm, Breadth

ROOT = Path(__file__).parent.parent
COMMAND = typer.main.get_command(app).commands["recommend"]  # type: ignore[attr-defined]
PLAIN = {
    "region": None, "platform": None, "service_tags": None, "since": None, "until": None, "breadth": Breadth.OBSERVED,
    "form": AnswerForm.TABLE, "output": None, "profile": None, "catalog": None, "never_override": None, "subnet": None,
    "with_allowed": False, "dns_proxy": False, "check": False,
}  # fmt: skip
UNKNOWN: dict[str, object] = {
    **{each.name: each.default for each in fields(Afar)},
    "at_most": None, "curve": False, "target": None, "priority_below": None, "priority_taken": None, "ip_groups": False,
    "rollback": None, "keep": None,
}  # fmt: skip


def understood(read: Words) -> dict[str, object]:
    """The options by their names, as texts."""
    said: dict[str, object] = {**PLAIN, **read.single, **read.many, **dict.fromkeys(read.flags, True)}
    return said | {"logs": read.logs}


def by_the_library(line: list[str]) -> dict[str, object]:
    params = COMMAND.make_context("recommend", list(line)).params
    assert {name: params.pop(name) or UNKNOWN[name] for name in UNKNOWN} == UNKNOWN
    lists = {name: [*map(str, value)] for name, value in params.items() if isinstance(value, list | tuple)}
    texts = {**params, **lists}
    return {name: str(value) if isinstance(value, Path) else value or PLAIN.get(name) for name, value in texts.items()}


WORDS = st.sampled_from([
    "--region", "westeurope", "--profile", "training", "--platform", "nsg", "--service-tags", "tags.json", "--catalog",
    "--never-override", "--since", "6h", "--until", "1h", "--with-allowed", "--dns-proxy", "--subnet", "10.0.0.0/24",
    "--breadth", "documented", "--format", "json", "table", "arm", "--output", "-o", "out.json", "--check", "a.json",
    "-", "--", "-h", "--help", "", "--region=westeurope", "-oout", "--curve", "--at-most", "3", "--nonsense", "recommend",
])  # fmt: skip


@settings(max_examples=600)
@given(line=st.lists(WORDS, max_size=9))
@example(line=["a.json", "--region", "westeurope", "--format", "json", "-o", "out.json", "--check"])
@example(line=["--profile", "a", "x.json", "--profile", "b", "-", "--breadth", "documented", "--platform", "nsg"])
@example(line=["x", "--subnet", "10.0.0.0/24", "--catalog", "a", "--never-override", "b", "--dns-proxy"])
def test_what_is_read_quickly_is_read_alike_by_the_library(line: list[str]) -> None:
    read = words(["recommend", *line])
    if read is not None:
        assert understood(read) == by_the_library(line)


@pytest.mark.parametrize(
    "line",
    ["", "x.json", "flows x.json", "recommend", "recommend --workspace x", "recommend x --explain", "recommend --region", "recommend x --region a --region b",
     "recommend x --format arm", "recommend x --breadth all", "recommend x --help", "recommend x --region --check",
     "recommend x --curve", "recommend -- x", "recommend x --region=a"],
)  # fmt: skip
def test_what_is_not_wholly_plain_is_left_to_the_library(line: str) -> None:
    assert words(line.split()) is None


def test_every_option_is_known_to_be_read_quickly_or_not() -> None:
    assert {parameter.name for parameter in COMMAND.params} == {"logs", *PLAIN, *UNKNOWN}


@pytest.mark.parametrize("more", [[], ["--check"], ["--region", "nowhere"], ["--format", "json"], ["no-such-file"]])
def test_both_ways_say_the_same_and_end_alike(more: list[str]) -> None:
    def ended(line: list[str]) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            [sys.executable, "-c", "from fwlens.cli import main; main()", *line], capture_output=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    line = ["recommend", str(ROOT / "sample_logs" / "azfw.jsonl"), *more]
    assert words(line) is not None
    assert words([*line, "--breadth=observed"]) is None
    assert ended(line) == ended([*line, "--breadth=observed"])


def test_nothing_that_explains_command_lines_is_loaded_for_a_plain_one() -> None:
    code = """
import os, sys
from fwlens.cli import main
end = os._exit
def told(code):
    print(*sorted({"typer", "pydantic", "yaml", "highspy", "rich", "pyarrow", "plotly"} & set(sys.modules)), flush=True)
    end(code)
os._exit = told
main()
"""
    log = str(ROOT / "sample_logs" / "azfw.jsonl")
    done = subprocess.run(
        [sys.executable, "-c", code, "recommend", log, "-o", "/dev/null"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "\n")
