"""The architecture of docs/design.md, held over the syntax trees of the package."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fwlens"
FILES = sorted(PACKAGE.rglob("*.py"))

# Who may import whom inside the package. Nouns first; a stage sees nouns and no other stage.
NOUNS = {"errors", "rule", "requirement", "proof", "names", "address", "flow", "ledger", "tags", "document"}
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "rule": {"errors"},
    "requirement": {"rule"},
    "proof": {"rule"},
    "names": {"errors", "rule"},
    "address": set(),
    "flow": {"address", "rule"},
    "ledger": set(),
    "tags": {"address", "errors"},
    "document": {"errors", "names", "proof", "rule"},
    "twin": set(),
    "query": {"errors"},
    # stages
    "source": {"errors", "flow", "ledger", "query", "rule", "twin"},
    "catalog": {"errors", "names", "requirement", "rule"},
    "match": {"address", "flow", "names", "requirement", "rule", "tags"},
    "cover": set(),
    "recommend": {"address", "cover", "errors", "flow", "names", "requirement", "rule", "tags"},
    "emit": {"errors", "names", "rule"},
    "certificate": {"address", "flow", "names", "proof", "requirement", "rule", "tags"},
    # what puts stages together, and what tells people
    "answer": {"document", "flow", "ledger", "proof", "requirement", "rule"},
    "diff": {"answer", "document", "proof", "rule"},
    "report": NOUNS | {"answer", "diff"},
    "run": NOUNS | {"answer", "catalog", "certificate", "match", "recommend", "source", "twin"},
    "hints": NOUNS | {"answer", "match", "run"},
    "verify": NOUNS | {"answer", "certificate", "run"},
    "scale": {"errors", "flow", "ledger", "source"},
    "lasting": NOUNS | {"answer", "certificate", "match", "run"},
    "night": NOUNS | {"answer", "emit", "hints", "lasting", "match", "report", "run", "source"},
    "backtest": NOUNS | {"catalog", "certificate", "match", "recommend", "run", "source"},
    "table": NOUNS | {"answer"},
    # the unattended night
    "store": {"errors", "flow", "ledger"},
    "config": {"errors", "names", "rule"},
    "notify": {"errors"},
    "nightly": NOUNS
    | {"answer", "diff", "emit", "hints", "night", "notify", "report", "run", "source", "store", "table"},
    "__main__": {"cli"},
    "cli": NOUNS
    | {
        "answer",
        "backtest",
        "catalog",
        "config",
        "diff",
        "emit",
        "hints",
        "night",
        "nightly",
        "notify",
        "query",
        "report",
    }
    | {"run", "scale", "source", "store", "table", "twin", "verify"},
}

# Libraries that stay in their place; all others (polars, the standard library) are free.
KEPT: dict[str, set[str]] = {
    "typer": {"cli"},
    "rich": {"cli"},
    "yaml": {"catalog"},
    "highspy": {"cover"},
    "numpy": {"cover"},
    "threadpoolctl": {"cover"},
    "plotly": {"report"},
    "jinja2": {"report"},
    "azure": {"source", "tags"},
    "deltalake": {"store"},
    "pyspark": {"scale"},
    "pyarrow": {"source", "store", "scale"},
}
WITHOUT_POLARS = {
    "errors",
    "rule",
    "requirement",
    "proof",
    "names",
    "ledger",
    "document",
    "query",
    "catalog",
    "cover",
    "emit",
}
ONLY_IN_CLI = {"print", "input", "exit", "quit"}
BANNED_WORDS = re.compile(r"manager|helper|util|processor|handler|^data$|^info$|^base$|^common$", re.IGNORECASE)


def part(file: Path) -> str:
    """The part of the house that a file belongs to: its module, or the folder that it lies in."""
    inside = file.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names) if module == "fwlens" else [module]


def names(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


@pytest.mark.parametrize("file", [file for file in FILES if part(file) != "__init__"], ids=names)
def test_every_file_imports_only_what_its_part_of_the_house_may(file: Path) -> None:
    mine = part(file)
    parts = {name.split(".")[1] for name in imported(file) if name.startswith("fwlens.")}
    assert parts <= ARROWS[mine] | {mine}


@pytest.mark.parametrize("file", FILES, ids=names)
def test_libraries_stay_in_their_place(file: Path) -> None:
    roots = {name.partition(".")[0] for name in imported(file)}
    strays = {library for library in roots & set(KEPT) if part(file) not in KEPT[library]}
    assert not strays
    assert part(file) not in WITHOUT_POLARS or "polars" not in roots


def test_the_table_of_arrows_names_every_part_and_no_other() -> None:
    assert {part(file) for file in FILES} - {"__init__"} == set(ARROWS)


def test_arrows_never_go_in_a_circle() -> None:
    done: set[str] = set()
    while len(done) < len(ARROWS):
        free = {name for name, ends in ARROWS.items() if name not in done and ends <= done}
        assert free, f"a circle among {set(ARROWS) - done}"
        done |= free


@pytest.mark.parametrize("file", FILES, ids=names)
def test_no_module_is_longer_than_350_lines_and_no_function_than_60(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 350
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 60, node.name


@pytest.mark.parametrize("file", FILES, ids=names)
def test_only_the_command_line_prints_exits_and_reads_clocks_or_the_environment(file: Path) -> None:
    if part(file) == "cli":
        return
    text = tree(file)
    called = {node.func.id for node in ast.walk(text) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & ONLY_IN_CLI
    dotted = {ast.unparse(node) for node in ast.walk(text) if isinstance(node, ast.Attribute)}
    forbidden = ("sys.exit", "sys.stdout", "sys.stderr", "os.environ", "time.time", "datetime.now", "date.today")
    assert not {name for name in dotted if name.startswith(forbidden)}


@pytest.mark.parametrize("file", FILES, ids=names)
def test_names_are_of_the_field_and_every_module_opens_with_what_it_knows(file: Path) -> None:
    text = tree(file)
    assert ast.get_docstring(text)
    defined = [node for node in ast.walk(text) if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert [node.name for node in defined if BANNED_WORDS.search(node.name) or node.name.startswith("get_")] == []
    assert not BANNED_WORDS.search(file.stem)


@pytest.mark.parametrize("file", FILES, ids=names)
def test_every_public_name_has_a_docstring(file: Path) -> None:
    for node in tree(file).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


def test_the_parts_of_the_house_are_all_in_its_picture() -> None:
    design = (ROOT / "docs/design.md").read_text("utf-8")
    assert [name for name in ARROWS if name not in design] == []
