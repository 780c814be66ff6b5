"""Knows `fwlens.toml`: every option of a night with its type, and the place of each mistake in it.

All mistakes are told at once, as `file:line: key: what is wrong`. A flag of the same name comes before the file.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from fwlens import names
from fwlens.errors import FwlensError
from fwlens.rule import Platform

FILE: Final = "fwlens.toml"
"""Where options are looked for unless `--config` names another file; it may be missing."""
LAKES: Final = ("abfs://", "abfss://", "az://", "adl://", "azure://")
"""How the address of a store in a data lake begins."""
_LAKE: Final = re.compile(r"[a-z]+://[^/@?#\s]+(@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+){2,})?(/.*)?")
_SPAN: Final = re.compile(r"([0-9]{1,4})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")
_SECRET: Final = re.compile(r"(?<=://)[^/@\"]*@|\?[^\s\"]*")  # a password, a shared access signature
_PRIORITY: Final = msgspec.Meta(ge=100, le=65000)
_DAY: Final = timedelta(days=1)

# What a night writes there: patterns may take it in.
_WRITTEN: Final = {
    "store": ("flows/day=2026-11-20/part-0.snappy.parquet", "flows/_delta_log/0.json"),
    "reports": ("2026-11-20/diff.json", "2026-11-20/report.affected.csv", "2026-11-20/report.affected.parquet"),
}
_WORDS: Final = (
    (" | null", ""), ("`array`", "a list"), ("`str`", "text"), ("`int`", "a whole number"), ("`bool`", "true or false"),
    ("`object`", "a table"), ("`float`", "a number"), ("`", ""),
)  # fmt: skip

Texts = tuple[str, ...]
Said = Mapping[str, object]
"""Options as a file or the flags say them; what is not said is not in it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every option of a night. Spans are texts (`7d`); paths of a file are relative to that file."""

    logs: Texts = ()
    workspace: Texts = ()
    resource: Texts = ()
    cloud: Literal["public", "government", "china"] = "public"
    tenant: str | None = None
    endpoint: str | None = None
    store: str = "fwlens-store"
    reports: str = "reports"
    look_back: str = "7d"
    window: str = "6h"
    overlap: str = "1h"
    lag: str = "10m"
    keep_flows: str = "35d"
    keep_runs: str = "400d"
    keep_reports: str = "90d"
    with_allowed: bool = False
    region: str | None = None
    profile: Texts = ()
    platform: Platform | None = None
    service_tags: str | None = None
    catalog: Texts = ()
    never_override: Texts = ()
    dns_proxy: bool = False
    subnet: Texts = ()
    breadth: Literal["observed", "documented"] = "observed"
    at_most: Annotated[int, msgspec.Meta(ge=1)] | None = None
    target: str | None = None
    priority_below: Annotated[int, msgspec.Meta(ge=101, le=65000)] | None = None
    priority_taken: tuple[Annotated[int, _PRIORITY], ...] = ()
    ip_groups: bool = False
    notify: bool = False
    webhook: Literal["json", "slack", "teams"] = "json"
    webhook_variable: str = "FWLENS_WEBHOOK"
    log_format: Literal["text", "json"] = "text"

    def span(self, name: str) -> timedelta:
        """An option that is a span of time."""
        return _span(getattr(self, name))


Judge = Callable[[Settings], Iterable[tuple[str, str]]]
"""Says which options cannot be used, and why."""
OPTIONS: Final = tuple(field.name for field in msgspec.structs.fields(Settings))
SPANS: Final = ("look_back", "window", "overlap", "lag", "keep_flows", "keep_runs", "keep_reports")
_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_PATHS: Final = ("logs", "store", "reports", "service_tags", "catalog")


def read(path: Path, *, optional: bool = False) -> tuple[str, Said]:
    """The text of a file and what it says. Raises FwlensError for one that cannot be read or is no TOML."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        if optional:
            return "", {}
        raise FwlensError(f"{path}: there is no such file. `fwlens config check --config` names another.") from None
    except OSError as error:
        raise FwlensError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise FwlensError(f"{path}: is not UTF-8, as TOML is.") from None
    try:
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        said = re.fullmatch(r"(.*) \(at line ([0-9]+), column [0-9]+\)", str(error))
        place, what = (f":{said[2]}", said[1]) if said else ("", str(error))
        raise FwlensError(f"{path}{place}: is not TOML ({what}).") from None


def settle(path: Path, text: str, said: Said, flags: Said, *, whole: bool = True) -> Settings:
    """The same as `settled`. Raises FwlensError with a line for each mistake, wherever it stands."""
    settings, mistakes = settled(path, text, said, flags, whole=whole)
    if mistakes:
        raise FwlensError(told(mistakes))
    return settings


def settled(
    path: Path, text: str, said: Said, flags: Said, *, whole: bool = True, judge: Judge = lambda _: ()
) -> tuple[Settings, tuple[str, ...]]:
    """The options of a night (those of the flags, else those of the file, else the defaults) and a line for each
    mistake. An option with a mistake of its own has its default.

    `judge` says what cannot be used although it is written as it should be. Unless `whole`, options need not make a
    night: what there is to read may be missing.
    """
    lines = _lines(text)

    def place(name: str) -> str:
        if name in flags:
            return f"--{name.replace('_', '-')}"
        return f"{path}:{lines[name]}: {name}" if name in lines else f"{path}: {name}"

    faults = [(name, _stranger(name)) for name in said if name not in _TYPES]
    values: dict[str, Any] = {}
    for name in OPTIONS:
        if name not in flags and name not in said:
            continue
        try:
            value = msgspec.convert(flags.get(name, said.get(name)), _TYPES[name])
        except msgspec.ValidationError as error:
            faults.append((name, _wrong(name, str(error))))
            continue
        wrong = [(name, what) for what in _judged(name, value)]
        faults += wrong
        if not wrong:
            values[name] = value if name in flags or name not in _PATHS else _beside(path, value)
    settings, own = Settings(**values), {name for name, _ in faults}
    if whole:
        together = [] if faults else [*_together(settings)]
        faults += [*((name, what) for name, what in judge(settings) if name not in own), *together]
    mistakes = sorted((f"{place(name)}: {what}" for name, what in faults), key=_line)
    return settings, tuple(mistakes)


def told(mistakes: Sequence[str]) -> str:
    """All mistakes as one text, with their number where there are several."""
    many = [f"there are {len(mistakes)} mistakes in the configuration."] if len(mistakes) > 1 else []
    return "\n".join([*many, *mistakes])


def _line(fault: str) -> tuple[int, str]:
    found = re.search(r":([0-9]+): ", fault)
    return int(found[1]) if found else 0, fault


def _lines(text: str) -> dict[str, int]:
    """The line of each key: where a line begins with it and all lines before are whole TOML."""
    found: dict[str, int] = {}
    lines = text.split("\n")
    for i, line in enumerate(lines):
        key = re.match(r"""\s*\[{0,2}\s*["']?([A-Za-z0-9_-]+)["']?\s*[=.\]]""", line)
        if key and key[1] not in found and _is_whole("\n".join(lines[:i])):
            found[key[1]] = i + 1
    return found


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _stranger(name: str) -> str:
    near = difflib.get_close_matches(name.replace("-", "_"), OPTIONS, 1)
    return f"there is no such option{f': did you mean {near[0]}?' if near else '.'}"


def _wrong(name: str, message: str) -> str:
    """Msgspec's words, as a person would say them."""
    if "enum value" in message:
        choices = [one for each in get_args(_TYPES[name]) for one in (get_args(each) or (each,)) if one is not NoneType]
        return f"is one of {', '.join(map(str, choices))}."
    text = re.sub(r" - at `\$(.*)`$", lambda found: f" at item {found[1]}" if found[1] else "", message)
    for old, new in _WORDS:
        text = text.replace(old, new)
    return f"{text[:1].lower()}{text[1:]}."


def _span(text: str) -> timedelta:
    """A span of time: 90m, 6h, 2d, 1w."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise FwlensError(f"{text!r} is no span of time: write 90m, 6h, 2d or 1w.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _judged(name: str, value: Any) -> Iterator[str]:
    """What is wrong with a value of the right type."""
    try:
        if name in SPANS:
            _span(value)
        elif name == "region" and value is not None:
            names.region(value)
        elif name == "logs" and not all(text.strip() for text in value):
            yield "has an empty item: name a file, a folder, or an address of blobs."
        elif name in ("store", "reports"):
            yield from _place(name, value)
        elif name == "webhook_variable" and not _VARIABLE.fullmatch(value):
            yield "names the variable of the environment that holds the address, such as FWLENS_WEBHOOK."
    except FwlensError as error:
        yield str(error)


def _place(name: str, value: str) -> Iterator[str]:
    """What is wrong with where results go. The value is not repeated: what follows a `?` may be a secret."""
    if not value.strip():
        yield "is empty."
    elif name == "reports" and "://" in value:
        yield "is a folder of this machine, such as a mounted share; an address is none."
    elif "://" in value and not value.startswith(LAKES):
        yield "is a folder, or an address that begins with abfss://."
    elif "://" in value and "?" not in value and not _LAKE.fullmatch(value):
        yield "is no address of a data lake: write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER."
    elif "://" in value and "?" in value:
        yield "holds a '?'. A signature stands in the environment (AZURE_STORAGE_SAS_TOKEN) and never here."


def _together(all_of: Settings) -> Iterator[tuple[str, str]]:
    """What is wrong with values that are right alone."""
    if not (all_of.logs or all_of.workspace or all_of.resource):
        yield "logs", "nothing to read: name a workspace, a resource, or logs (files, folders, blob addresses)."
    for name in ("store", "reports"):
        for log in all_of.logs:
            place = getattr(all_of, name)
            if "://" not in place and any(_is_within(f"{place}/{file}", log) for file in _WRITTEN[name]):
                yield name, f"lies in {log}, which is read: the night would read what it wrote. Choose another place."
    if (
        "://" not in all_of.store
        and _is_within(all_of.reports, all_of.store)
        and _is_within(all_of.store, all_of.reports)
    ):
        yield "reports", "is the store too: choose another place."
    if not timedelta(minutes=5) <= all_of.span("window") <= _DAY:
        yield "window", "a window is from 5m to 1d long."
    if not all_of.span("look_back"):
        yield "look_back", "a look-back of nothing sees nothing."
    for name in ("keep_flows",):
        if all_of.span(name) < all_of.span("look_back") + all_of.span("overlap") + 3 * _DAY:
            yield name, "has to be at least three days longer than look_back and overlap together."
    if all_of.span("overlap") > 2 * _DAY:
        yield "overlap", "an overlap of more than 2d is asked for every night again."


def _is_within(place: str, log: str) -> bool:
    """Whether a folder lies in what is read, also by a pattern. The store's tables are flows to whoever reads them."""
    if "://" in log:
        return False
    try:
        there, read = Path(place).resolve(), Path(log).resolve()
    except (OSError, ValueError):  # no path at all, or a circle of links: reading it says so
        return False
    return there.is_relative_to(read) or any(_takes_in(read, each) for each in (there, *there.parents))


def _takes_in(pattern: Path, place: Path) -> bool:
    """Whether a pattern names a place: part by part, and whole where it spans folders."""
    if "**" in pattern.parts:
        return fnmatchcase(str(place), str(pattern))
    alike = (fnmatchcase(name, part) for part, name in zip(pattern.parts, place.parts, strict=False))
    return len(pattern.parts) == len(place.parts) and all(alike)


def _beside(path: Path, value: str | Texts | None) -> Any:
    """Paths of a file are meant from where that file lies; addresses stay as they are."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return tuple(_beside(path, one) for one in value)
    return value if "://" in value or not value else str(path.absolute().parent / value)


def shown(settings: Settings, origin: Callable[[str], str]) -> Iterator[tuple[str, str, str]]:
    """Every option with its value as TOML writes it, and where it comes from."""
    for name in OPTIONS:
        value = getattr(settings, name)
        text = "" if value is None else msgspec.json.encode(value).decode()
        text = _SECRET.sub("(hidden)", text) if "://" in text else text
        yield name, text, origin(name)
