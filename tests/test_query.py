"""The queries as text: Microsoft's parser judges each, and values get into them as literals and as nothing else."""

import json
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb_kql
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fwlens import query, source
from fwlens.cli.commands import app
from fwlens.errors import FwlensError
from fwlens.query import FLOWS, HEALTH, Kind, Parameter, Query, Value
from fwlens.source.format import COMMON, FOLDED
from tests import hostile, kusto

ROOT = Path(__file__).parent.parent
EVERY = query.every()
VALUES: Mapping[str, Value] = {
    "seenFrom": datetime(2026, 11, 20, 22, 0, 0, 125, tzinfo=UTC), "seenBefore": datetime(2026, 11, 21, tzinfo=UTC),
    "arrivedFrom": datetime(2026, 11, 20, 22, tzinfo=UTC), "arrivedBefore": datetime(2026, 11, 21, tzinfo=UTC),
    "withAllowed": True, "slot": timedelta(minutes=15), "part": 1, "parts": 7,
}  # fmt: skip
ODD = Query(
    "odd", "Odd", "T",
    {
        "when": Parameter("datetime", "now()"), "span": Parameter("timespan", "1d"), "wide": Parameter("bool", "false"),
        "many": Parameter("long", "0"), "who": Parameter("string", '""'), "those": Parameter("dynamic", "dynamic([])"),
    },
    '// Odd\nlet when = now();\nlet span = 1d;\nlet wide = false;\nlet many = 0;\nlet who = "";\nlet those = dynamic([]);\n\n'
    "print who, those, many, span, wide, when\n",
)  # fmt: skip


def judged(*texts: str) -> list[dict[str, Any]]:
    """What Microsoft's parser says of each query, over the published tables."""
    tables = {
        name: ", ".join(f"{column}:{kind}" for column, kind in columns.items())
        for name, columns in kusto.TABLES.items()
    }
    command = ["node", str(ROOT / "tests/kql.js"), str(ROOT / ".venv/npm/node_modules")]
    asked = json.dumps({"tables": tables, "queries": texts})
    told = subprocess.run(command, input=asked, capture_output=True, text=True, check=True, encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(told.stdout)
    return found


def bound(one: Query) -> str:
    return query.bind(one, {name: value for name, value in VALUES.items() if name in one.parameters})


@pytest.fixture(scope="module")
def verdicts() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """The verdict on each query as it is pasted and as it is bound."""
    found = judged(*(text for one in EVERY for text in (one.text, bound(one))))
    return {one.name: (found[2 * n], found[2 * n + 1]) for n, one in enumerate(EVERY)}


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_microsofts_parser_takes_every_query_as_pasted_and_as_bound(one: Query, verdicts: Any) -> None:
    pasted, with_values = verdicts[one.name]
    assert (pasted["faults"], with_values["faults"]) == ([], [])
    assert pasted["columns"] == with_values["columns"] != []


@pytest.mark.parametrize("name", FLOWS)
def test_every_column_of_an_answer_is_one_that_the_reader_of_its_table_reads(name: str, verdicts: Any) -> None:
    columns = dict(verdicts[name][0]["columns"])
    assert {each: columns[each] for each in ("Type", *FOLDED)} == {
        "Type": "string", "FirstSeen": "datetime", "LastSeen": "datetime", "FoldedRows": "long",
    }  # fmt: skip
    (form,) = (form for form in source.FORMATS if query.find(name).table in form.tables)
    assert set(columns) - {*FOLDED, *COMMON} - set(form.columns) == set()


@pytest.mark.parametrize("name", FLOWS)
def test_all_queries_of_flows_ask_for_the_same(name: str) -> None:
    one = query.find(name)
    assert {name: (each.kind, each.default) for name, each in one.parameters.items()} == {
        "seenFrom": ("datetime", "ago(1d)"), "seenBefore": ("datetime", "now()"),
        "arrivedFrom": ("datetime", "datetime(2000-01-01)"), "arrivedBefore": ("datetime", "datetime(2200-01-01)"),
        "withAllowed": ("bool", "false"), "slot": ("timespan", "1d"), "part": ("long", "0"), "parts": ("long", "1"),
    }  # fmt: skip
    assert one.table in kusto.TABLES


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_a_file_is_a_title_then_parameters_then_a_blank_line_then_the_query(one: Query, verdicts: Any) -> None:
    head, _, body = one.text.partition("\n\n")
    comments = [line for line in head.split("\n") if line.startswith("// ")]
    assert head.split("\n") == [*comments, *(f"let {name} = {each.default};" for name, each in one.parameters.items())]
    assert comments[0] == f"// {one.title}"
    assert body.endswith("\n")
    assert "let " not in body
    # The portal's editor ends a query at a blank line, so that whoever pastes a file must run all of it.
    assert verdicts[one.name][0]["blocks"] == 2
    assert "select all (Ctrl+A), run" in head


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_every_query_runs_as_it_stands(one: Query) -> None:
    workspace = kusto.Workspace({table: [] for table in kusto.TABLES})
    (table,) = json.loads(workspace.answer(one.text))["tables"]
    assert table["columns"][0] == {"name": "Type", "type": "string"}
    assert len(table["rows"]) == (len(kusto.TABLES) if one.name == HEALTH else 0)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_only_the_let_lines_of_the_values_change(one: Query) -> None:
    before, after = one.text.split("\n"), bound(one).split("\n")
    changed = [old for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [f"let {name} = {each.default};" for name, each in one.parameters.items()]
    assert query.bind(one, {}) == one.text


def test_no_value_reaches_what_stands_below_the_blank_line() -> None:
    odd = Query("odd", "Odd", "T", {"a": Parameter("long", "0")}, "// Odd\nlet a = 0;\n\nlet a = 0;\nprint a\n")
    assert query.bind(odd, {"a": 7}) == "// Odd\nlet a = long(7);\n\nlet a = 0;\nprint a\n"


@pytest.mark.parametrize(
    ("name", "value", "literal"),
    [
        ("when", datetime(2026, 11, 20, 22, tzinfo=UTC), "datetime(2026-11-20T22:00:00Z)"),
        ("when", datetime(2026, 11, 20, 22, 0, 0, 5, tzinfo=timezone(timedelta(hours=2))), "datetime(2026-11-20T20:00:00.000005Z)"),
        ("span", timedelta(minutes=15), "timespan(0.00:15:00)"),
        ("span", timedelta(days=2, hours=3, seconds=4, microseconds=50), "timespan(2.03:00:04.000050)"),
        ("span", -timedelta(hours=30), "timespan(-1.06:00:00)"),
        ("wide", True, "true"),
        ("many", -(1 << 63), "long(-9223372036854775808)"),
        ("who", 'a"; T | take 1 //', r'"a\"; T | take 1 //"'),
        ("who", "line\nbreak \\ \u2028", r'"line\nbreak \\ \u2028"'),
        ("those", ("a", "b'\""), r'dynamic(["a", "b' + "'" + r'\""])'),
    ],
)  # fmt: skip
def test_a_value_is_a_literal_of_its_type(name: str, value: Value, literal: str) -> None:
    literal = literal.replace("b''", "b'")
    assert f"\nlet {name} = {literal};\n" in query.bind(ODD, {name: value})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("when", datetime(2026, 11, 20), "odd: when is a time like 2026-11-20T22:00 (UTC where no zone is given), and this datetime is none: '2026-11-20 00:00:00'."),
        ("when", "now()", "odd: when is a time like 2026-11-20T22:00 (UTC where no zone is given), and this str is none: 'now()'."),
        ("span", 15, "odd: span is a span of time like 15m, 6h or 1d, and this int is none: '15'."),
        ("span", timedelta(days=20_000_000), "odd: span is a span of time like 15m, 6h or 1d, and this timedelta is none: '20000000 days, 0:00:00'."),
        ("wide", 1, "odd: wide is true or false, and this int is none: '1'."),
        ("many", True, "odd: many is a whole number, and this bool is none: 'True'."),
        ("many", 1 << 63, "odd: many is a whole number, and this int is none: '9223372036854775808'."),
        ("who", "\ud800", "odd: who is a text, and this str is none: '\\ud800'."),
        ("those", "a", "odd: those is texts with commas between them, and this str is none: 'a'."),
        ("whom", "a", "odd: 'whom' is none of its parameters. There are: when, span, wide, many, who, those."),
    ],
)  # fmt: skip
def test_a_value_of_another_type_or_for_no_parameter_is_refused(name: str, value: Value, said: str) -> None:
    with pytest.raises(FwlensError) as refused:
        query.bind(ODD, {name: value})
    assert str(refused.value) == said


@given(
    who=st.text(st.characters(codec="utf-8"), max_size=40),
    those=st.lists(st.text(st.characters(codec="utf-8")), max_size=3),
)
def test_no_text_gets_out_of_its_literal(who: str, those: Sequence[str]) -> None:
    first, *_ = query.bind(ODD, {"who": who, "those": tuple(those)}).split("\n\n")
    lines = dict(line.removeprefix("let ").removesuffix(";").split(" = ", 1) for line in first.split("\n")[1:])
    assert set(lines) == set(ODD.parameters)
    assert json.loads(lines["who"]) == who
    assert json.loads(lines["those"].removeprefix("dynamic(").removesuffix(")")) == those


HOSTILE = [
    text for texts in vars(hostile).values() if isinstance(texts, tuple) for text in texts if isinstance(text, str)
]


def test_microsofts_parser_sees_one_literal_in_every_hostile_text() -> None:
    texts = {f"p{n}": text for n, text in enumerate(HOSTILE) if text.encode("utf-8", "replace").decode() == text}
    assert len(texts) > 100
    head = "\n".join(f'let {name} = "";' for name in texts)
    many = Query(
        "many", "Many", "", dict.fromkeys(texts, Parameter("string", '""')), f"{head}\n\nprint {', '.join(texts)}\n"
    )
    listed = query.bind(ODD, {"those": tuple(texts.values())})
    shown, list_shown = judged(query.bind(many, texts), listed)
    assert (shown["faults"], [kind for _, kind in shown["columns"]]) == ([], ["string"] * len(texts))
    assert (list_shown["faults"], len(list_shown["columns"])) == ([], 6)


@pytest.mark.parametrize("value", [timedelta(minutes=15), timedelta(days=40, seconds=1), timedelta(microseconds=1)])
def test_a_span_of_time_means_the_same_to_kql(value: timedelta) -> None:
    sql = duckdb_kql.kql(duckdb_kql.connect(), query.bind(ODD, {"span": value, "many": -3, "wide": True}))
    assert sql.fetchall()[0][2:5] == (-3, value, True)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("when", "2026-11-20T22:00", datetime(2026, 11, 20, 22, tzinfo=UTC)),
        ("when", "2026-11-20T22:00+02:00", datetime(2026, 11, 20, 20, tzinfo=UTC)),
        ("span", "15m", timedelta(minutes=15)),
        ("span", " 1d ", timedelta(days=1)),
        ("wide", "True", True),
        ("many", "-5", -5),
        ("who", 'a "b"', 'a "b"'),
        ("those", "a, b,", ("a", "b")),
    ],
)
def test_a_setting_is_read_as_its_parameter_takes_it(name: str, text: str, value: Value) -> None:
    assert query.parse(ODD, name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("when", "yesterday", "odd: when is a time like 2026-11-20T22:00 (UTC where no zone is given), not 'yesterday'."),
        ("when", "0001-01-01T00:00+14:00", "odd: when is a time like 2026-11-20T22:00 (UTC where no zone is given), not '0001-01-01T00:00+14:00'."),
        ("span", "15", "odd: span is a span of time like 15m, 6h or 1d, not '15'."),
        ("span", "9999999999d", "odd: span is a span of time like 15m, 6h or 1d, not '9999999999d'."),
        ("wide", "yes", "odd: wide is true or false, not 'yes'."),
        ("many", "1.5", "odd: many is a whole number, not '1.5'."),
    ],
)  # fmt: skip
def test_a_setting_that_is_none_is_told(name: str, text: str, said: str) -> None:
    with pytest.raises(FwlensError) as refused:
        query.parse(ODD, name, text)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("default", "kind"),
    [
        ("datetime(2026-11-20)", "datetime"), ("ago(1d)", "datetime"), ("now()", "datetime"), ("15m", "timespan"),
        ("timespan(1.00:00:00)", "timespan"), ("true", "bool"), ("-4", "long"), ('"x"', "string"), ("dynamic([])", "dynamic"),
    ],
)  # fmt: skip
def test_a_default_tells_the_type_of_its_parameter(
    default: str, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.kql").write_text(f"// X\nlet a = {default};\n\nT\n| count\n", "utf-8")
    monkeypatch.setattr(query, "_FOLDER", tmp_path)
    (found,) = query.every()
    assert (found.name, found.title, found.table, found.parameters) == ("x", "X", "T", {"a": Parameter(kind, default)})


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(FwlensError, match=r"^'x' is no query\. There are: firewall-application, .*, vnet-analytics\.$"):
        query.find("x")
    assert [one.name for one in EVERY] == sorted({*FLOWS, HEALTH})
    assert [query.find(one.name) for one in EVERY] == [*EVERY]


def test_the_queries_are_packed_beside_the_modules() -> None:
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert packed["force-include"]["queries"] == "fwlens/queries"


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["query", *arguments])
    return result.exit_code, result.stdout, str(result.exception or "")


def test_the_command_line_lists_every_query() -> None:
    code, shown, _ = run("list")
    assert code == 0
    assert [line.split()[0] for line in shown.splitlines()] == ["query", *(one.name for one in EVERY)]
    assert "…" not in shown
    listed = json.loads(run("list", "--format", "json")[1])
    assert listed["schema"] == "fwlens.queries/1"
    assert [each["name"] for each in listed["queries"]] == [one.name for one in EVERY]
    assert listed["queries"][0]["parameters"]["slot"] == {"type": "timespan", "default": "1d"}


def test_the_command_line_shows_a_query_with_its_settings(tmp_path: Path) -> None:
    one = query.find("firewall-nat")
    assert run("show", "firewall-nat") == (0, one.text, "")
    settings = ("--set", "slot=15m", "--set", "seenFrom=2026-11-20T22:00")
    expected = query.bind(one, {"slot": timedelta(minutes=15), "seenFrom": datetime(2026, 11, 20, 22, tzinfo=UTC)})
    assert run("show", "firewall-nat", *settings) == (0, expected, "")
    assert run("show", "firewall-nat", *settings, "-o", str(tmp_path / "a.kql")) == (0, "", "")
    assert (tmp_path / "a.kql").read_text("utf-8") == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("health", "--set", "slot=1d"), "health: 'slot' is none of its parameters. There are: seenFrom, seenBefore."),
        (("health", "--set", "seenFrom"), "--set seenFrom: a setting is written NAME=VALUE, as in --set slot=15m."),
        (("health", "--set", "seenFrom=x"), "health: seenFrom is a time like 2026-11-20T22:00 (UTC where no zone is given), not 'x'."),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_sentence(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["query", "show", *arguments])
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"fwlens: {said}\n")
