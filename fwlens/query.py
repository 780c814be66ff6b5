"""Knows the KQL files of `queries/`: where they lie, what they are for, and how values get into them.

A file runs as it stands. Its `let` lines above the first blank line are its parameters, and nothing else of it is ever
replaced; a value goes in as a literal of its type, so that no value can become part of the query.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from fwlens.errors import FwlensError

Kind = Literal["bool", "datetime", "dynamic", "long", "string", "timespan"]
Value = bool | int | str | datetime | timedelta | tuple[str, ...]
"""What a parameter takes: `datetime` with a zone, `timedelta` for a timespan, a tuple of texts for a dynamic list."""

HEALTH: Final = "health"
_HERE: Final = Path(__file__).parent
_FOLDER: Final = _HERE / "queries" if (_HERE / "queries").is_dir() else _HERE.parent / "queries"
FLOWS: Final = tuple(sorted(file.stem for file in _FOLDER.glob("*.kql") if file.stem != HEALTH))
"""The names of the queries whose answers are read as logs: all but the one about health."""

_LET: Final = re.compile(r"let ([A-Za-z_]\w*) = (.+);")
# https://learn.microsoft.com/kusto/query/scalar-data-types/ and the literals of each type
_KINDS: Final[dict[Kind, re.Pattern[str]]] = {
    "bool": re.compile(r"true|false"),
    "datetime": re.compile(r"datetime\(.*\)|ago\(.*\)|now\(.*\)"),
    "dynamic": re.compile(r"dynamic\(.*\)"),
    "long": re.compile(r"-?[0-9]+|long\(.*\)"),
    "string": re.compile(r'".*"'),
    "timespan": re.compile(r"[0-9.]+(?:d|h|m|s|ms)|timespan\(.*\)"),
}
_SAID: Final[dict[Kind, str]] = {
    "bool": "true or false",
    "datetime": "a time like 2026-11-20T22:00 (UTC where no zone is given)",
    "dynamic": "texts with commas between them",
    "long": "a whole number",
    "string": "a text",
    "timespan": "a span of time like 15m, 6h or 1d",
}
_SPAN: Final = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONG: Final = range(-(1 << 63), 1 << 63)
_LONGEST: Final = timedelta(days=10_675_199)  # a timespan is a long of ticks of 100 ns


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a query asks for: its type, and what stands in the file, as KQL."""

    kind: Kind
    default: str


@dataclass(frozen=True, slots=True)
class Query:
    """One KQL file: `table` is the one that it reads (empty where it reads several), `text` the whole of the file."""

    name: str
    title: str
    table: str
    parameters: Mapping[str, Parameter]
    text: str


def every() -> tuple[Query, ...]:
    """All queries, in the order of their names. Raises FwlensError for a file that is none."""
    return tuple(sorted(map(_read, _FOLDER.glob("*.kql")), key=lambda query: query.name))


def find(name: str) -> Query:
    """The query of this name. Raises FwlensError that names those there are."""
    names = sorted({*FLOWS, HEALTH})
    if name not in names:
        raise FwlensError(f"{name!r} is no query. There are: {', '.join(names)}.")
    return _read(_FOLDER / f"{name}.kql")


def bind(query: Query, values: Mapping[str, Value]) -> str:
    """The text of a query with these values in the place of its defaults; all else stays, byte for byte.

    Raises FwlensError for a parameter that the query does not have, and for a value of another type than it takes.
    """
    literals = {name: _literal(query, name, value) for name, value in values.items()}
    head, blank, body = _parted(query.text)
    lines = head.split("\n")
    for index, line in enumerate(lines):
        found = _LET.fullmatch(line)
        if found and found[1] in literals:
            lines[index] = f"let {found[1]} = {literals[found[1]]};"
    return "\n".join(lines) + blank + body


def parse(query: Query, name: str, text: str) -> Value:
    """A value as a person writes it, for `bind`. Raises FwlensError for what the parameter cannot be."""
    kind = _parameter(query, name).kind
    text = text.strip()
    try:
        match kind:
            case "bool":
                return {"true": True, "false": False}[text.lower()]
            case "datetime":
                when = datetime.fromisoformat(text)
                return when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)
            case "dynamic":
                return tuple(part.strip() for part in text.split(",") if part.strip())
            case "long":
                return int(text)
            case "string":
                return text
            case "timespan":
                span = _SPAN.fullmatch(text)
                return timedelta(**{_UNITS[span[2]]: int(span[1])}) if span else timedelta(seconds=float(""))
    except (KeyError, ValueError, OverflowError):
        raise FwlensError(f"{query.name}: {name} is {_SAID[kind]}, not {text!r}.") from None


def _read(file: Path) -> Query:
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise FwlensError(f"{file}: cannot be read ({error.strerror}). Install fwlens again.") from None
    head, _, body = _parted(text)
    parameters = {}
    for name, default in _LET.findall(head):
        kinds: list[Kind] = [kind for kind, pattern in _KINDS.items() if pattern.fullmatch(default)]
        if not kinds:
            raise FwlensError(f"{file}: {name} has a default of no known type ({default}). Write a typed literal.")
        parameters[name] = Parameter(kinds[0], default)
    table = re.match(r"([A-Za-z_]\w*)\n", body)
    title = text.partition("\n")[0].removeprefix("//").strip()
    return Query(file.stem, title, table[1] if table else "", parameters, text)


def _parted(text: str) -> tuple[str, str, str]:
    """What stands above the first blank line, that line, and what stands below it."""
    return text.partition("\n\n")


def _parameter(query: Query, name: str) -> Parameter:
    if name not in query.parameters:
        known = ", ".join(query.parameters) or "none"
        raise FwlensError(f"{query.name}: {name!r} is none of its parameters. There are: {known}.")
    return query.parameters[name]


def _literal(query: Query, name: str, value: Value) -> str:
    """A value as a KQL literal of the parameter's type, which holds whatever the value is made of.

    JSON's texts are KQL's: https://learn.microsoft.com/kusto/query/scalar-data-types/string
    """
    kind = _parameter(query, name).kind
    match kind, value:
        case "bool", bool():
            return str(value).lower()
        case "datetime", datetime(tzinfo=zone) if zone is not None:
            return f"datetime({value.astimezone(UTC).isoformat().removesuffix('+00:00')}Z)"
        case "timespan", timedelta() if abs(value) < _LONGEST:
            return _timespan(value)
        case "long", int() if not isinstance(value, bool) and value in _LONG:
            return f"long({value})"
        case "string", str() if _is_text(value):
            return json.dumps(value)
        case "dynamic", tuple() if all(isinstance(part, str) and _is_text(part) for part in value):
            return f"dynamic({json.dumps(value)})"
    shown = type(value).__name__
    raise FwlensError(f"{query.name}: {name} is {_SAID[kind]}, and this {shown} is none: {str(value)[:40]!r}.")


def _is_text(value: str) -> bool:
    """Half a surrogate pair is no text: no request could carry it."""
    return value.encode("utf-8", "replace").decode("utf-8") == value


def _timespan(value: timedelta) -> str:
    """`timespan(1.02:03:04.5)`: days, hours, minutes, seconds, and microseconds where there are any."""
    whole = abs(value)
    minutes, seconds = divmod(whole.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = f".{whole.microseconds:06}" if whole.microseconds else ""
    sign = "-" if value < timedelta() else ""
    return f"timespan({sign}{whole.days}.{hours:02}:{minutes:02}:{seconds:02}{parts})"
