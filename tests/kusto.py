"""A Log Analytics workspace for the tests: KQL is run for real, on DuckDB, over tables with the published columns.

What DuckDB's KQL lacks is taught it here, and only here: `hash_xxhash64` (with DuckDB's own values: which part a row falls
into is nothing that a query may rely on), `ingestion_time` (a column of each table), `column_ifexists` (the columns are
known).
"""

import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import duckdb_kql
import pyarrow as pa  # type: ignore[import-untyped]
from duckdb_kql.translate.functions import SCALAR_FUNCTIONS, FunctionSpec

from tests import night

Row = Mapping[str, Any]

TABLES: Final[dict[str, dict[str, str]]] = {
    table: dict(column.split(":") for column in columns.split(", "))
    for table, columns in json.loads((Path(__file__).parent / "tables.json").read_text("utf-8")).items()
}
"""The tables and the types of their columns, from https://learn.microsoft.com/azure/azure-monitor/reference/tables-index.
AzureDiagnostics is without `Type`, `TimeGenerated` and `TenantId` there, which every table has."""

ARRIVED: Final = "_IngestionTime"
LATE: Final = timedelta(minutes=5)
"""How long a row takes to arrive where nothing else is said."""
_SQL: Final = {
    "string": "VARCHAR", "guid": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "real": "DOUBLE", "bool": "BOOLEAN",
    "datetime": "TIMESTAMP", "dynamic": "JSON", "timespan": "INTERVAL",
}  # fmt: skip
_KQL: Final = {
    "VARCHAR": "string", "INTEGER": "int", "BIGINT": "long", "HUGEINT": "long", "DOUBLE": "real", "BOOLEAN": "bool",
    "TIMESTAMP": "datetime", "JSON": "dynamic", "INTERVAL": "timespan",
}  # fmt: skip
_IF_EXISTS: Final = re.compile(r'column_ifexists\("(\w+)", ([^()]*)\)')
_DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")

SCALAR_FUNCTIONS["hash_xxhash64"] = FunctionSpec("hash_xxhash64", "template", "CAST(hash({0}) % {1} AS BIGINT)", (2,))
SCALAR_FUNCTIONS["ingestion_time"] = FunctionSpec("ingestion_time", "template", f'"{ARRIVED}"{{}}')


class KustoError(Exception):
    """What Kusto refuses: `code` is `SyntaxError` or `SemanticError`, as the query API has it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Workspace:
    """Tables of rows that answer KQL as the query API does. Rows are by column; what they lack is empty or null.

    `_IngestionTime` of a row says when it arrived. `without` names columns that this workspace has never had.
    Threads may share a workspace; they take turns.
    """

    def __init__(self, tables: Mapping[str, Iterable[Row]], without: Sequence[str] = ()) -> None:
        self._turn = threading.Lock()
        self._connection = duckdb_kql.connect()
        self._translated: dict[str, str] = {}
        self._columns: dict[str, dict[str, str]] = {}
        for table, rows in tables.items():
            self._columns[table] = {name: kind for name, kind in TABLES[table].items() if name not in without} | {
                ARRIVED: "datetime"
            }
            self._fill(table, [*rows])
            self._connection.execute(f'CREATE VIEW "{table}" AS SELECT * FROM "rows of {table}"')
        self._timespan: str | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of its tables."""
        return tuple(self._columns)

    def answer(self, kql: str, timespan: str | None = None) -> bytes:
        """The body of the query API's answer (REST v1). `timespan` is ISO 8601: `P1D`, `start/end`, `start/PT1H`.

        Raises KustoError for what Kusto would refuse.
        """
        with self._turn:
            self._narrow(timespan)
            try:
                sql = self._translated.get(kql) or duckdb_kql.to_sql(
                    self._taught(kql), schema={table: [*columns] for table, columns in self._columns.items()}
                )
                self._translated[kql] = str(sql)
                found = self._connection.sql(str(sql))
                names, kinds, rows = (
                    found.columns,
                    [_KQL[str(kind).split("(")[0]] for kind in found.types],
                    found.fetchall(),
                )
            except duckdb_kql.KqlSyntaxError as error:
                raise KustoError("SyntaxError", str(error)) from None
            except (duckdb_kql.KqlSchemaError, duckdb.BinderException, duckdb.CatalogException) as error:
                raise KustoError("SemanticError", str(error).splitlines()[0]) from None
        kept = [index for index, name in enumerate(names) if name != ARRIVED]
        columns = [{"name": names[index], "type": kinds[index]} for index in kept]
        cells = [[_cell(row[index], kinds[index]) for index in kept] for row in rows]
        return json.dumps({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": cells}]}).encode()

    def _taught(self, kql: str) -> str:
        there = {name for table, columns in self._columns.items() if table in kql for name in columns}
        return _IF_EXISTS.sub(lambda found: found[1] if found[1] in there else found[2], kql)

    def _narrow(self, timespan: str | None) -> None:
        """The query API looks at rows of the timespan only."""
        if timespan == self._timespan:
            return
        since, until = _interval(timespan) if timespan else (datetime.min, datetime.max)
        for table in self._columns:
            inside = f"TimeGenerated >= TIMESTAMP '{since}' AND TimeGenerated < TIMESTAMP '{until}'"
            where = f"WHERE {inside}" if timespan else ""
            self._connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS SELECT * FROM "rows of {table}" {where}')
        self._timespan = timespan

    def _fill(self, table: str, rows: Sequence[Row]) -> None:
        columns = self._columns[table]
        strangers = {name for row in rows for name in row} - set(columns)
        assert not strangers, f"{table} has no columns {sorted(strangers)}"
        filled = [{"Type": table, ARRIVED: row["TimeGenerated"] + LATE, **row} for row in rows]
        arrays = {
            name: pa.array([_stored(row.get(name), kind) for row in filled], _ARROW[kind])
            for name, kind in columns.items()
        }
        declared = ", ".join(f'"{name}" {_SQL[kind]}' for name, kind in columns.items())
        self._connection.execute(f'CREATE TABLE "rows of {table}" ({declared})')
        self._connection.register("filling", pa.table(arrays))
        self._connection.execute(f'INSERT INTO "rows of {table}" SELECT * FROM filling')
        self._connection.unregister("filling")


_ARROW: Final = {
    "string": pa.string(), "guid": pa.string(), "int": pa.int32(), "long": pa.int64(), "real": pa.float64(),
    "bool": pa.bool_(), "datetime": pa.timestamp("us"), "dynamic": pa.string(), "timespan": pa.duration("us"),
}  # fmt: skip

_PYTHON: Final[dict[str, Callable[[Any], Any]]] = {
    "int": int, "long": int, "real": float, "bool": lambda value: str(value).lower() == "true",
    "dynamic": json.dumps, "timespan": lambda value: value,
}  # fmt: skip


def _stored(value: Any, kind: str) -> Any:
    """A value as its column holds it. A text is never null in Kusto."""
    if kind in ("string", "guid"):
        return "" if value is None else str(value)
    if value is None or value == "":
        return None
    if kind == "datetime":
        return _when(value).astimezone(UTC).replace(tzinfo=None)
    return _PYTHON[kind](value)


def _when(value: datetime | str) -> datetime:
    if isinstance(value, datetime):
        return value
    return (
        datetime.fromisoformat(value)
        if "T" in value
        else datetime.strptime(f"{value} +0000", "%m/%d/%Y %I:%M:%S.%f %p %z")
    )


def _interval(timespan: str) -> tuple[datetime, datetime]:
    first, _, second = timespan.partition("/")
    if not second:
        until = datetime.now(UTC).replace(tzinfo=None)
        return until - _duration(first), until
    if first.startswith("P"):
        return _moment(second) - _duration(first), _moment(second)
    return _moment(first), _moment(first) + _duration(second) if second.startswith("P") else _moment(second)


def _moment(text: str) -> datetime:
    stated = datetime.fromisoformat(text)
    return stated.astimezone(UTC).replace(tzinfo=None) if stated.tzinfo else stated


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if not found:
        raise KustoError("BadArgumentError", f"{text} is no ISO 8601 duration")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _cell(value: Any, kind: str) -> Any:
    """A value as the query API writes it: times in UTC with a Z, no number as a text, a text never null."""
    if value is None:
        return "" if kind == "string" else None
    if kind == "datetime":
        return f"{value.isoformat()}Z"
    if kind == "timespan":
        days, rest = divmod(value, timedelta(days=1))
        return f"{days}.{rest}" if days else f"{rest}".rjust(8, "0")
    if kind == "real":
        return value if math.isfinite(value) else "NaN"
    return value


def tables_of(records: Iterable[Row]) -> dict[str, list[dict[str, Any]]]:
    """Log records as the rows of the tables that Azure puts them into: of storage, or rows that name their `Type`."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        row = dict(record)
        if "properties" in record:
            row = dict(record["properties"])
            table, resource = record["category"], record["resourceId"]
            row |= {"TimeGenerated": _when(record["time"]), "_ResourceId": resource.lower()}
            if "msg" in row:
                row |= {"msg_s": row.pop("msg"), "Category": table, "ResourceType": "AZUREFIREWALLS"}
                table = "AzureDiagnostics"
        else:
            table = row["Type"]
            row["TimeGenerated"] = _when(row["TimeGenerated"])
        if "Url" in row:
            row["TargetUrl"] = row.pop("Url")
        tables.setdefault(table, []).append(row)
    return tables


def sample_night(*, late: Mapping[str, timedelta] | None = None) -> Workspace:
    """The rows of `sample_logs/` as the tables of a workspace hold them; `late` says by table how late they came."""
    entries = [(entry, night.is_public(entry)) for entry in night.NSG_ENTRIES]
    tables = tables_of(
        [
            *map(night.azfw, night.FIREWALL_ENTRIES),
            *map(night.azdiag, night.FIREWALL_ENTRIES),
            *(night.nta(entry, public=public) for entry, public in entries),
            *(night.cl(entry, public=public) for entry, public in entries),
        ]
    )
    for table, delay in (late or {}).items():
        tables[table] = [row | {ARRIVED: row["TimeGenerated"] + delay} for row in tables[table]]
    return Workspace(tables)
