"""Knows an answer: what `fwlens recommend` says, as one value and as its stable JSON (`fwlens.recommendations/1`)."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec
import polars as pl

from fwlens.document import SCHEMA
from fwlens.flow import VERDICTS, numbered, service
from fwlens.flow import log as log_of
from fwlens.ledger import Ledger
from fwlens.proof import Certificate, Log, Trial
from fwlens.requirement import Note
from fwlens.rule import Conversation, Platform, Recommendation, Rule, Unsaid

FLOWS_SCHEMA: Final = "fwlens.flows/1"
MATCHED_SCHEMA: Final = "fwlens.matched/1"
BACKTEST_SCHEMA: Final = "fwlens.backtest/1"
_PIECE: Final = 20_000
LEDGER_SCHEMA: Final = "fwlens.ledger/1"
_TIME: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many folded flows, and how many log entries, have a verdict."""

    flows: int
    events: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One run's answer. `unexplained` and `refused` are MATCHED rows (the first with `near`), most entries first.

    `verdicts` has no entry for `working` and `surplus` where allowed entries were only counted. `service_tags` is the
    change number of the service-tag file that was used, `asked` the choices that shape the rules, `logs` which logs
    gave rows.
    """

    first_seen: datetime | None
    last_seen: datetime | None
    ledger: Ledger
    verdicts: dict[str, Tally]
    recommendations: tuple[Recommendation, ...]
    unsaid: tuple[Unsaid, ...]
    unexplained: pl.DataFrame
    refused: pl.DataFrame
    notes: tuple[Note, ...]
    service_tags: int | None
    certificate: Certificate
    asked: Mapping[str, Any]
    logs: tuple[Log, ...] = ()

    @property
    def blocked(self) -> Tally:
        """All denied flows."""
        denied = [self.verdicts[name] for name in ("needed", "unexplained", "refused")]
        return Tally(sum(tally.flows for tally in denied), sum(tally.events for tally in denied))


def answer(
    matched: pl.DataFrame,
    unexplained: pl.DataFrame,
    recommendations: Sequence[Recommendation],
    unsaid: Sequence[Unsaid],
    *,
    ledger: Ledger,
    notes: Iterable[Note],
    service_tags: int | None,
    certificate: Certificate,
    asked: Mapping[str, Any],
    with_allowed: bool,
) -> Answer:
    """Put together what the stages found. `unexplained` are MATCHED rows with `near`."""
    tallies = matched.group_by("verdict").agg(pl.len(), pl.col("events").sum())
    counted = {name: Tally(flows, events) for name, flows, events in tallies.iter_rows()}
    said = ["needed", "unexplained", "refused", *(["working", "surplus"] if with_allowed else [])]
    window = matched.select(pl.col("first_seen").min(), pl.col("last_seen").max()).row(0)
    cited = {citation.id for one in recommendations for citation in one.citations} | {one.requirement for one in unsaid}
    platforms = {one.rule.platform for one in recommendations} | {one.platform for one in unsaid}
    return Answer(
        first_seen=window[0],
        last_seen=window[1],
        ledger=ledger,
        verdicts={name: counted.get(name, Tally(0, 0)) for name in said},
        recommendations=tuple(recommendations),
        unsaid=tuple(unsaid),
        unexplained=_ranked(unexplained),
        refused=_ranked(matched.filter(pl.col("verdict") == "refused")),
        notes=tuple(note for note in notes if _matters(note, cited, platforms)),
        service_tags=service_tags,
        certificate=certificate,
        asked=asked,
        logs=tuple(_logs(matched, cited)),
    )


def _logs(matched: pl.DataFrame, open_now: set[str]) -> Iterator[Log]:
    """The logs that flows were in, with the needs that they showed to be denied."""
    need = pl.col("requirement").filter((pl.col("verdict") == "needed") & pl.col("requirement").is_in(open_now))
    there = matched.with_columns(log=log_of()).drop_nulls("log").group_by("log", "device")
    for name, device, last, needs in there.agg(pl.col("last_seen").max(), need.unique()).sort("log", "device").rows():
        yield Log(name, device, last, tuple(sorted(needs)))


def _matters(note: Note, cited: set[str], platforms: set[Platform]) -> bool:
    """A note about needs is shown with one of them, one about a platform alone wherever rules are for that platform."""
    if note.platforms and not platforms & set(note.platforms):
        return False
    return not note.about or any(fnmatchcase(name, pattern) for name in cited for pattern in note.about)


def _ranked(flows: pl.DataFrame) -> pl.DataFrame:
    """Most log entries first, in a total order."""
    keys = ("src_ip", "dst_fqdn", "dst_ip", "protocol", "dst_port", "direction", "cause", "rule", "plane", "device")
    descending = [True, *[False] * len(keys)]
    order = numbered(flows.select("events", *keys)).select(
        pl.arg_sort_by("events", *keys, descending=descending, nulls_last=True)
    )
    return flows[order.to_series()]


def destination() -> pl.Expr:
    """Where a flow went, as answers tell it: the name where one was logged, else the address."""
    return pl.coalesce("dst_fqdn", "dst_ip")


def as_text(when: datetime | None) -> str | None:
    """A time in UTC as JSON has it."""
    return None if when is None else when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _times(*names: str) -> list[pl.Expr]:
    return [pl.col(name).dt.strftime(_TIME) for name in names]


@dataclass(frozen=True, slots=True)
class _Objects:
    """Rows as a JSON array of objects with these columns, none of which is built before it is written."""

    rows: pl.DataFrame
    columns: Sequence[pl.Expr]


def _written(document: Mapping[str, Any]) -> Iterator[bytes]:
    """A document as indented JSON, piece by piece: a crowd of rows would else be there four times."""
    before = b"{"
    for name, value in document.items():
        yield before + b"\n  " + msgspec.json.encode(name) + b": "
        before = b","
        if isinstance(value, _Objects):
            yield from _array(value)
        else:
            yield _inner(msgspec.json.encode(value))
    yield b"\n}\n"


def _array(objects: _Objects) -> Iterator[bytes]:
    before = b"["
    for some in objects.rows.iter_slices(_PIECE) if objects.rows.height else ():
        texts = some.select(objects.columns).select(row=pl.struct(pl.all()).struct.json_encode())["row"]
        yield before + _inner(("[" + ",".join(texts) + "]").encode()).removeprefix(b"[").removesuffix(b"\n  ]")
        before = b","
    yield b"[]" if before == b"[" else b"\n  ]"


def _inner(text: bytes) -> bytes:
    """JSON indented as the value of a key. No text of JSON holds a line end."""
    return msgspec.json.format(text, indent=2).replace(b"\n", b"\n  ")


def _ledger(ledger: Ledger) -> dict[str, Any]:
    return {
        "rows_read": ledger.rows_read,
        "rows_used": ledger.rows_used,
        "rows_set_aside": ledger.rows_set_aside,
        "set_aside": ledger.set_aside,
        "inputs": ledger.inputs,
    }


def _conversation(flow: Conversation) -> dict[str, Any]:
    return {
        "src_ip": flow.src_ip,
        "destination": flow.destination,
        "service": flow.service,
        "direction": flow.direction,
        "events": flow.events,
        "first_seen": as_text(flow.first_seen),
        "last_seen": as_text(flow.last_seen),
    }


def _allows(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "platform": rule.platform,
        "layer": rule.layer,
        "direction": rule.direction,
        "sources": [str(endpoint) for endpoint in rule.sources],
        "destinations": [str(endpoint) for endpoint in rule.destinations],
        "services": [str(each) for each in rule.services],
    }


def _recommendation(one: Recommendation) -> dict[str, Any]:
    rule, evidence = one.rule, one.evidence
    return {
        **_allows(rule),
        "requirements": [
            {
                "id": citation.id,
                "layer": citation.basis,
                "for": citation.purpose,
                "url": citation.url,
                "page": citation.page,
                "read_on": citation.read_on,
                "within": citation.within,
                "also": citation.also,
            }
            for citation in one.citations
        ],
        "evidence": {
            "flows": evidence.flows,
            "events": evidence.events,
            "first_seen": as_text(evidence.first_seen),
            "last_seen": as_text(evidence.last_seen),
            "devices": evidence.devices,
            "denied_by": evidence.denied_by,
        },
        "doubts": one.doubts,
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    names = ("complete", "sound", "irredundant", "rules", "lower_bound", "proven", "surplus", "surplus_of", "faults")
    return {name: getattr(certificate, name) for name in names}


def to_json(answer: Answer) -> bytes:
    """The answer as JSON, indented, with a line end; equal answers give equal bytes."""
    return b"".join(json_of(answer))


def json_of(answer: Answer) -> Iterator[bytes]:
    """The same piece by piece."""
    shown = service(pl.col("protocol"), pl.col("dst_port"))
    common = [pl.col("src_ip"), destination().alias("destination"), shown.alias("service"), pl.col("direction")]
    cause, plane = pl.col("cause"), pl.col("plane")
    seen = [pl.col("events"), *_times("first_seen", "last_seen")]
    verdicts: dict[str, Any] = {name: answer.verdicts.get(name) for name in VERDICTS.categories}
    document = {
        "schema": SCHEMA,
        "window": {"first_seen": as_text(answer.first_seen), "last_seen": as_text(answer.last_seen)},
        "asked": answer.asked,
        "service_tags": answer.service_tags,
        "ledger": _ledger(answer.ledger),
        "verdicts": verdicts,
        "recommendations": [_recommendation(one) for one in answer.recommendations],
        "unsaid": [
            {"flow": _conversation(one.flow), "platform": one.platform, "requirement": one.requirement, "why": one.why}
            for one in answer.unsaid
        ],
        "unexplained": _Objects(answer.unexplained, [*common, cause, plane, *seen, pl.col("near")]),
        "refused": _Objects(answer.refused, [*common, cause, pl.col("rule"), plane, *seen]),
        "certificate": _certificate(answer.certificate),
        "logs": [{**one._asdict(), "last_seen": as_text(one.last_seen)} for one in answer.logs],
        "notes": [{"id": note.id, "text": note.text, "url": note.page.url} for note in answer.notes],
    }
    return _written(document)


def flows_to_json(rows: pl.DataFrame, ledger: Ledger, schema: str = FLOWS_SCHEMA) -> bytes:
    """A frame of flows (or MATCHED rows) with its ledger as JSON."""
    return b"".join(json_of_flows(rows, ledger, schema))


def json_of_flows(rows: pl.DataFrame, ledger: Ledger, schema: str = FLOWS_SCHEMA) -> Iterator[bytes]:
    """The same piece by piece."""
    columns = [*_times("first_seen", "last_seen"), pl.all().exclude("first_seen", "last_seen")]
    return _written({"schema": schema, "ledger": _ledger(ledger), "flows": _Objects(rows, columns)})


def flows_to_parquet(rows: pl.DataFrame) -> bytes:
    """A frame of flows as Parquet, to be read as a log again: where they have slots, the first written come first."""
    out = io.BytesIO()
    (rows.sort("origin", maintain_order=True) if "slot" in rows.columns else rows).write_parquet(out)
    return out.getvalue()


def ledger_to_json(ledger: Ledger, faults: Sequence[str]) -> bytes:
    """The ledger of folded flows, and what was wrong with their logs: it lies beside their Parquet."""
    document = {"schema": LEDGER_SCHEMA, **_ledger(ledger), "tables": ledger.tables, "faults": faults}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def trials_to_json(trials: Sequence[Trial]) -> bytes:
    """A back-test as JSON, the last trial first."""
    document = {
        "schema": BACKTEST_SCHEMA,
        "trials": [
            {
                "learned_from": as_text(trial.begin),
                "tried_from": as_text(trial.split),
                "tried_until": as_text(trial.end),
                "rules": trial.rules,
                "needed": trial.tried.needed,
                "missed": [
                    {
                        "src_ip": missed.source,
                        "destination": missed.destination,
                        "service": missed.service,
                        "platform": missed.platform,
                        "why": missed.why,
                    }
                    for missed in trial.tried.missed
                ],
                "idle": trial.tried.idle,
                "idle_rules": [_allows(rule) for rule in trial.tried.unused],
                "surplus": trial.tried.surplus,
            }
            for trial in trials
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
