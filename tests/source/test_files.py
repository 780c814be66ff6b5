import gzip
import io
import json
import os
import threading
from pathlib import Path

import polars as pl
import pytest

from fwlens import source
from fwlens.source.files import PEEK, Container, Input, inputs, load, recognise
from tests.source.logs import (
    ALLOWED,
    NSG_DENIED,
    aside,
    closed,
    counted,
    document,
    dump,
    flow,
    jsonl,
    network,
    nsg,
    read,
    rows,
)

EXPORT = "Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet."
WEB = flow(dst_ip="203.0.113.7")


def paths(*names: str) -> list[str]:
    return [place.path for place in inputs(names)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Logs in folders, one hidden, one in a hidden folder, one linked, one behind a link that leads nowhere."""
    for name in ("b.json", "a/x.json", "a/y.log", ".hidden.json", ".git/z.json", "c/deep/er/PT1H.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(jsonl(network()))
    return tmp_path


def test_a_folder_is_walked_in_order_and_hidden_files_are_passed_over(folder: Path) -> None:
    names = ["a/x.json", "a/y.log", "b.json", "c/deep/er/PT1H.json"]
    assert paths(str(folder)) == [str(folder / name) for name in names]
    assert [row["events"] for row in rows(closed(source.read([str(folder)])))] == [4]


def test_a_hidden_file_is_read_when_it_is_named(folder: Path) -> None:
    assert paths(str(folder / ".hidden.json")) == [str(folder / ".hidden.json")]
    assert paths(str(folder / ".git")) == [str(folder / ".git/z.json")]


def test_a_glob_names_files_and_folders(folder: Path) -> None:
    assert paths(f"{folder}/a/*.json", f"{folder}/?") == [
        str(folder / name) for name in ("a/x.json", "a/y.log", "c/deep/er/PT1H.json")
    ]
    assert paths(f"{folder}/**/PT1H.json") == [str(folder / "c/deep/er/PT1H.json")]


def test_a_name_with_glob_characters_is_itself_where_it_exists(folder: Path) -> None:
    odd = folder / "a[1]*.json"
    odd.write_text(jsonl(network()))
    (folder / "a1x.json").write_text("")
    assert paths(str(odd)) == [str(odd)]


def test_a_file_counts_once_however_often_it_is_named(folder: Path) -> None:
    (folder / "link.json").symlink_to(folder / "b.json")
    names = (str(folder / "b.json"), str(folder), f"{folder}/a/../b.json", f"{folder}/*.json", "-", "-")
    assert len(paths(*names)) == 5
    assert [row["events"] for row in rows(closed(source.read(names[:4])))] == [4]


def test_links_to_folders_are_followed_but_not_in_circles(folder: Path) -> None:
    (folder / "a" / "round").symlink_to(folder)
    (folder / "a" / "aside").symlink_to(folder / ".git")
    assert [Path(path).name for path in paths(str(folder))] == ["z.json", "x.json", "y.log", "b.json", "PT1H.json"]


def test_a_pipe_in_a_folder_is_passed_over(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert len(paths(str(folder))) == 4


@pytest.mark.parametrize("size", [1, 2000])
def test_a_named_pipe_is_read(tmp_path: Path, size: int) -> None:
    """As a shell's `<(…)` gives it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(jsonl(*[network()] * size),))
    writer.start()
    found = closed(source.read([str(pipe)]))
    writer.join()
    assert [row["events"] for row in rows(found)] == [size]


def test_what_is_missing_is_told_and_the_rest_is_read(folder: Path) -> None:
    missing = [str(folder / name) for name in ("no.json", "no*.json", "b.json/x")]
    found = closed(source.read([*missing, str(folder / "b.json")]))
    assert [row["events"] for row in rows(found)] == [1]
    why = ["No such file or directory"] * 2 + ["Not a directory"]
    assert found.faults == tuple(
        f"{path}: cannot be read ({reason}). Check the path and its permissions."
        for path, reason in zip(missing, why, strict=True)
    )
    assert aside(found) == [("cannot be read", 0, f"{missing[2]}:1")]


def test_a_name_longer_than_any_file_is_told() -> None:
    found = source.read(["x" * 5000])
    assert found.faults == (f"{'x' * 5000}: cannot be read (File name too long). Check the path and its permissions.",)


def test_an_unreadable_file_in_a_folder_is_told_and_the_rest_is_read(folder: Path) -> None:
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "gone").symlink_to(folder / "nowhere")
    found = closed(source.read([str(folder)]))
    assert [row["events"] for row in rows(found)] == [4]
    assert found.faults == (
        f"{folder}/gone: cannot be read (No such file or directory). Check the path and its permissions.",
        f"{folder}/loop: cannot be read (Too many levels of symbolic links). Check the path and its permissions.",
    )


def test_a_forbidden_file_or_folder_is_told(folder: Path) -> None:
    (folder / "b.json").chmod(0)
    (folder / "a").chmod(0)
    try:
        if os.access(folder / "b.json", os.R_OK):  # root may read anything
            assert len(paths(str(folder))) == 4
        else:
            assert [fault.split(": ", 1)[1] for fault in source.read([str(folder)]).faults] == [
                "cannot be read (Permission denied). Check the path and its permissions."
            ] * 2
    finally:
        (folder / "a").chmod(0o755)


def test_an_empty_folder_is_told_and_the_rest_is_read(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "hiding").mkdir()
    (folder / "hiding" / ".x").write_text("x")
    for name in ("empty", "hiding"):
        found = closed(source.read([str(folder / name), str(folder / "b.json")]))
        assert [row["events"] for row in rows(found)] == [1]
        assert found.faults == (
            f"{folder}/{name}: the folder holds no files. Name a folder or file with exported logs.",
        )
        assert aside(found) == [("folder without files", 0, f"{folder}/{name}:1")]


def test_a_file_that_is_no_log_is_a_fault_when_it_is_named(folder: Path) -> None:
    (folder / "README").write_text("how we log\nand why\n")
    found = closed(source.read([str(folder)]))
    assert found.faults == ()
    assert aside(found) == [("no log: neither JSON, CSV nor Parquet of a known table", 2, f"{folder}/README:1")]
    named = closed(source.read([str(folder / "README"), str(folder / "b.json")]))
    assert named.faults == (f"{folder}/README: holds no log that fwlens knows. {EXPORT}",)


def test_a_folder_without_any_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "README").write_text("how we log\n")
    found = closed(source.read([str(tmp_path)]))
    assert found.faults == (f"None of these 2 files holds a log that fwlens knows. {EXPORT}",)


@pytest.mark.parametrize("data", [b"", b"\n\n", b" ", b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.json").write_bytes(data)
    found = closed(source.read([str(tmp_path / "x.json")]))
    assert found.faults == (f"{tmp_path}/x.json: is empty. {EXPORT}",)
    assert aside(found) == [("empty file", 0, f"{tmp_path}/x.json:1")]


def test_standard_input_may_be_absent() -> None:
    assert source.read(["-"]).faults == (f"-: is empty. {EXPORT}",)


def test_nothing_to_read_is_nothing_read() -> None:
    found = closed(source.read([]))
    assert (rows(found), counted(found), found.faults) == ([], (0, 0), ())


@pytest.mark.parametrize("name", [b"caf\xe9.json", b"a\x1b[31m\nb.json", "größe.json".encode(), b"-x"])
def test_a_name_of_any_bytes_is_read_and_shown_as_plain_text(tmp_path: Path, name: bytes) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
    for count in (1, 1000):  # a large file is read in place
        Path(path).write_text(jsonl(*[network()] * count))
        found = closed(source.read([str(tmp_path)]))
        [row] = rows(found)
        shown = os.fsencode(path).decode("utf-8", "replace").replace("\x1b", "\ufffd").replace("\n", "\ufffd")
        assert (row["events"], row["origin"]) == (count, f"{shown}:1")
        assert [account.path for account in found.ledger.inputs] == [shown]


@pytest.mark.parametrize("name", ["x.json", "x.csv", "x.parquet", "x.gz", "x", "x.png"])
def test_the_name_of_a_file_says_nothing(tmp_path: Path, name: str) -> None:
    for data in (
        jsonl(network()).encode(),
        gzip.compress(document(network()).encode()),
        document(nsg(NSG_DENIED)).encode(),
    ):
        (tmp_path / name).write_bytes(data)
        found = closed(source.read([str(tmp_path / name)]))
        assert [row["dst_ip"] for row in rows(found)] == ["203.0.113.7"]


ENCODINGS = {
    "UTF-8": lambda text: text.encode(),
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16, little end first": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip in parts": lambda text: gzip.compress(text[:50].encode()) + gzip.compress(text[50:].encode()),
    "gzip of UTF-16": lambda text: gzip.compress(text.encode("utf-16")),
    "gzip with a mark": lambda text: gzip.compress(text.encode("utf-8-sig")),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "leading blanks": lambda text: ("\n \n" + text).encode(),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_every_encoding_holds_the_same(tmp_path: Path, encode: "object") -> None:
    assert callable(encode)
    logged = [network(Rule="größe", ActionReason=""), network("Allow")]
    frame = pl.DataFrame(
        [record["properties"] | {"Type": record["category"], "TimeGenerated": record["time"]} for record in logged]
    )
    for text in (
        jsonl(*logged),
        document(*logged),
        json.dumps(logged, indent=1, ensure_ascii=False),
        frame.write_csv(),
    ):
        found = read(encode(text))
        assert [(row["rule"], row["events"]) for row in rows(found)] == [("größe", 1)]
        assert [entry[:2] for entry in aside(found)] == [(ALLOWED, 1)]
    for text in (jsonl(*logged * 200), document(*logged * 200)):
        (tmp_path / "log").write_bytes(encode(text))
        assert [row["events"] for row in rows(closed(source.read([str(tmp_path / "log")])))] == [200]


def test_a_large_file_of_lines_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_text(jsonl(*[network()] * 1000))
    content = load(Input(str(path), named=True), None)
    assert (content.container, len(content.data), content.in_place) == (Container.JSON_LINES, PEEK, True)
    with path.open("ab") as file:
        file.write(b'{"time":"\xff"\n')
    found = closed(source.read([str(path)]))
    assert [row["events"] for row in rows(found)] == [1000]
    assert aside(found) == [("malformed: not UTF-8", 1, f"{path}:1001")]


def test_service_tags_are_recognised_and_handed_on(tmp_path: Path) -> None:
    tags = {"changeNumber": 7, "cloud": "Public", "values": [{"name": "AzureMonitor"}]}
    for text in (dump(tags), json.dumps(tags, indent=2), dump(tags | {"changeNumber": "63"})):
        (tmp_path / "tags.json").write_text(text)
        (tmp_path / "a.jsonl").write_text(jsonl(network()))
        found = closed(source.read([str(tmp_path)]))
        assert found.service_tags == ((f"{tmp_path}/tags.json", text.encode()),)
        assert [(each.format, each.rows_read) for each in found.ledger.inputs] == [("azfw", 1), ("service-tags", 0)]
        assert found.faults == ()


def test_service_tags_without_any_log_are_told(tmp_path: Path) -> None:
    tags = dump({"changeNumber": 7, "cloud": "Public", "values": [{"name": "AzureMonitor"}]})
    export = "Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet."
    (tmp_path / "tags.json").write_text(tags)
    assert source.read([str(tmp_path)]).faults == (
        f"{tmp_path}/tags.json: holds service tags and no log that fwlens knows. {export}",
    )
    (tmp_path / "older.json").write_text(tags)
    assert source.read([str(tmp_path)]).faults == (f"None of these 2 files holds a log that fwlens knows. {export}",)


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (b"", Container.EMPTY),
        (b" \n\t", Container.EMPTY),
        (b"PAR1", Container.PARQUET),
        (b'{"a":1}\n{"a":2}', Container.JSON_LINES),
        (b'half":1}\n{"a":2}\n', Container.JSON_LINES),
        (b'{"a":1}', Container.VALUES),
        (b'{"a":1},{"a":2}', Container.VALUES),
        (b'{\n"a":1\n}\n{\n"a":2\n}', Container.VALUES),
        (b"[]", Container.VALUES),
        (b"[{},{}]", Container.VALUES),
        (b',{"a":1}', Container.VALUES),
        (b'{"records":[]}', Container.DOCUMENT),
        (b'\n{ "records" : [ {} ] }', Container.DOCUMENT),
        (b'{"records":[]}\n{"records":[]}', Container.JSON_LINES),
        (b'{"records":[\n{"a":1},\n{"a":2}\n]}', Container.DOCUMENT),
        (b'{"tables":[]}', Container.ANSWER),
        (b'{\n  "error": {}}', Container.ANSWER),
        (b'{"Tables":[]}', Container.ANSWER),
        (b'{"statistics":{},"tables":[]}', Container.ANSWER),
        (b'{"changeNumber":1,"cloud":"Public","values":[]}', Container.SERVICE_TAGS),
        (b'{"records":[{"changeNumber":1,"cloud":"x"}]}', Container.DOCUMENT),
        (b"a,b\n1,2", Container.TEXT),
        (b",a,b\n0,1,2", Container.TEXT),
        (b'"a","b"\n', Container.TEXT),
        (b"\0\0\0", Container.TEXT),
    ],
)
def test_a_container_is_known_by_its_first_bytes(data: bytes, container: Container) -> None:
    assert recognise(data) is container
    assert load(Input("-", named=True), io.BytesIO(data)).container is container
