"""The sample logs: one invented night, a file per format, in step with what writes them."""

import json
from pathlib import Path

import pytest

from fwlens import source
from tests.night import FILES

FOLDER = Path(__file__).parent.parent / "sample_logs"


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_sample_is_what_the_night_writes(name: str, request: pytest.FixtureRequest) -> None:
    path = FOLDER / name
    if request.config.getoption("--update-golden"):
        path.write_text(FILES[name](), "utf-8")
    assert path.read_text("utf-8") == FILES[name]()


def test_there_are_no_other_samples() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(FILES)


def test_every_format_has_a_sample_and_every_sample_is_read_whole() -> None:
    read = source.read([str(FOLDER)])
    assert {name for account in read.ledger.inputs for name in account.format.split(", ")} == {
        *(form.name for form in source.FORMATS),
        "service-tags",
    }
    assert read.faults == ()


@pytest.mark.parametrize("name", sorted(name for name in FILES if name != "service-tags.json"))
def test_every_log_tells_of_the_same_night(name: str) -> None:
    """All name the compute's sources and denials of the same two hours; broken lines are set aside and counted."""
    read = source.read([str(FOLDER / name)])
    denied = read.rows.filter(read.rows["action"] == "Deny")
    assert {"10.20.1.4", "10.20.1.5", "10.20.1.6", "10.20.1.7"} <= set(denied["src_ip"])
    assert {str(when.date()) for when in denied["first_seen"]} == {"2026-11-20"}
    assert read.ledger.rows_read == read.ledger.rows_used + read.ledger.rows_set_aside


def test_the_service_tag_sample_has_the_published_form() -> None:
    document = json.loads((FOLDER / "service-tags.json").read_text("utf-8"))
    assert set(document) == {"changeNumber", "cloud", "values"}
