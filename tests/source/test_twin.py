"""What a second process finds in a blob is what this process finds; where it does not answer nothing is lost."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens import source, twin
from fwlens.source import second
from fwlens.source.flowlog import Tuples
from fwlens.twin import Twin, beside
from tests.source.logs import NSG_DENIED, VNET_ALLOWED, VNET_DENIED, closed, document, dump, jsonl, network, nsg, vnet

BLOB = document(vnet(VNET_ALLOWED, VNET_ALLOWED), vnet(VNET_DENIED, VNET_ALLOWED, rule="UserRule_x"), vnet())


@pytest.fixture
def enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin, "ENOUGH", 1)
    monkeypatch.setattr(twin, "_cores", lambda: 2)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Every kind of file that may lie beside a blob, and damaged blobs."""
    (tmp_path / "a.json").write_text(BLOB)
    (tmp_path / "b.json").write_text(BLOB.replace("UserRule_x", "DefaultRule_y") + "\n")
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(BLOB.encode()))
    (tmp_path / "d.json.gz").write_bytes(gzip.compress(document(*[nsg(NSG_DENIED)] * 3000).encode())[:-40])
    (tmp_path / "e.json").write_text(BLOB[:-1])
    (tmp_path / "f.jsonl").write_text(jsonl(network(), network(Action="Allow")))
    (tmp_path / "g.json").write_text(dump({"records": [network()]}))
    (tmp_path / "h.json").write_text("")
    (tmp_path / "i.csv").write_text("a,b\n1,2\n")
    (tmp_path / "j\n\x1b[31m.json").write_text(BLOB)
    (tmp_path / os.fsdecode(b"k\xff.json")).write_text(BLOB)
    (tmp_path / "l.json").write_text(json.dumps({"records": [nsg(NSG_DENIED)]}, indent=1))
    return tmp_path


@pytest.fixture
def second_process(enough: None, logs: Path) -> Iterator[Twin]:
    with beside([str(logs)]) as mine:
        assert mine is not None
        yield mine


@pytest.mark.parametrize("with_allowed", [False, True])
def test_with_a_second_process_the_answer_is_the_same(second_process: Twin, logs: Path, with_allowed: bool) -> None:
    asked = list[bool]()
    plain = closed(source.read([str(logs), "missing"], with_allowed=with_allowed))

    class Noted(Twin):
        def __init__(self) -> None:
            pass

        def ask(self, path: str, *, with_allowed: bool) -> bytes | None:
            found = second_process.ask(path, with_allowed=with_allowed)
            asked.append(found is not None)
            return found

    found = closed(source.read([str(logs), "missing"], with_allowed=with_allowed, twin=Noted()))
    assert (found.rows.to_dicts(), found.ledger, found.faults) == (plain.rows.to_dicts(), plain.ledger, plain.faults)
    assert any(asked)


def test_a_second_process_says_what_it_finds_or_leaves_a_file_alone(second_process: Twin, logs: Path) -> None:
    known = {path.name for path in logs.iterdir() if second_process.ask(str(path), with_allowed=False) is not None}
    assert known == {"a.json", "b.json", "c.json.gz", "j\n\x1b[31m.json", os.fsdecode(b"k\xff.json"), "l.json"}
    assert second_process.ask(str(logs / "none"), with_allowed=False) is None


def test_a_second_process_that_dies_takes_nothing_with_it(second_process: Twin, logs: Path) -> None:
    plain = closed(source.read([str(logs)]))
    second_process._process.kill()
    second_process._process.wait()
    found = closed(source.read([str(logs)], twin=second_process))
    assert (found.rows.to_dicts(), found.ledger) == (plain.rows.to_dicts(), plain.ledger)
    assert second_process.ask(str(logs / "a.json"), with_allowed=False) is None


def test_a_second_process_ends_with_its_pipe_and_not_by_an_interrupt(enough: None, logs: Path) -> None:
    with beside([str(logs)]) as mine:
        assert mine is not None
        assert mine.ask(str(logs / "a.json"), with_allowed=False)
        mine._process.send_signal(signal.SIGINT)
        assert mine.ask(str(logs / "a.json"), with_allowed=False)
        assert mine._process.stdin is not None
        mine._process.stdin.close()
        assert mine._process.wait() == 0


def test_little_work_one_processor_and_other_logs_need_no_second_process(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def there(*paths: Path) -> bool:
        with beside([str(path) for path in paths]) as mine:
            return mine is not None

    monkeypatch.setattr(twin, "_cores", lambda: 2)
    assert not there(logs)
    monkeypatch.setattr(twin, "ENOUGH", (logs / "a.json").stat().st_size + 1)
    assert there(logs)
    assert there(logs / "a.json", logs / "b.json")
    assert not there(logs / "a.json")
    assert not there(logs / "f.jsonl", logs / "i.csv", logs / "missing", Path("-"), Path("\0"))
    monkeypatch.setattr(twin, "_cores", lambda: 1)
    assert not there(logs)


def test_no_module_is_taken_from_where_one_works(tmp_path: Path, logs: Path) -> None:
    for name in ("fwlens", "polars", "json"):
        (tmp_path / f"{name}.py").write_text("open('taken', 'w').close()")
    code = (
        "import sys; from fwlens import twin; twin.ENOUGH = 1; twin._cores = lambda: 2\n"
        "with twin.beside([sys.argv[1]]) as mine: print(bool(mine.ask(sys.argv[1], with_allowed=False)))"
    )
    command = [sys.executable, "-P", "-c", code, str(logs / "a.json")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert (done.stdout, (tmp_path / "taken").exists()) == (b"True\n", False)


TEXTS = st.lists(
    st.tuples(
        st.none() | st.text(max_size=2), st.none() | st.text(max_size=2), st.integers(1, 3), st.binary(max_size=3)
    ),
    max_size=6,
)


@given(texts=TEXTS, counts=st.tuples(*[st.integers(0, 1 << 40)] * 4))
def test_findings_come_back_as_they_went(
    texts: list[tuple[str | None, str | None, int, bytes]], counts: tuple[int, int, int, int]
) -> None:
    came = second.unpacked(second.packed(Tuples(texts, *counts)))
    assert (came.size, came.rows, came.allowed, came.allowed_line) == counts
    keys = {text[:3] for text in texts}
    assert {text[:3]: text[3] for text in came.texts} == {
        key: b'","'.join(text for *one, text in texts if tuple(one) == key) for key in keys
    }
