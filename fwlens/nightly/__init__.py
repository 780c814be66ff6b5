"""The unattended night: what is new comes into the store, a look-back is matched, and what changed is told.

Every step may be interrupted and done again: the store takes in each input once, results replace those of an earlier
attempt at the same run, and a run is done by its last commit only. A notification comes before that commit, so one may
come twice and none is lost.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from fwlens import diff as differences
from fwlens import document, hints, run
from fwlens.answer import Answer, to_json
from fwlens.diff import Diff
from fwlens.document import Document
from fwlens.errors import FwlensError
from fwlens.night import night_of
from fwlens.nightly import folder
from fwlens.nightly.cut import SLOT
from fwlens.nightly.files import Logs, changed
from fwlens.nightly.intake import Step, Workspace, arrivals
from fwlens.nightly.look import LookBack, look_back
from fwlens.nightly.plan import Night, Outcome, Tell, run_name
from fwlens.nightly.tiles import Stretch, floor
from fwlens.nightly.words import notice, recommended, silent, table, unread
from fwlens.notify import Notice
from fwlens.report import SHARED_SCRIPT, plot_library, render
from fwlens.store import Run, Store, name_of

__all__ = [
    "SLOT", "Logs", "Night", "Outcome", "Stretch", "TakenIn", "Workspace", "failed", "night", "not_begun", "run_name",
    "table", "take_in", "tidy",
]  # fmt: skip

_DAY: Final = timedelta(days=1)
_PAGE: Final = "report"
_NO_FLOWS: Final = (
    "{0}: it has runs, and nothing of what they read: {0}/flows was lost. What is still there is read again; of the "
    "rest nobody can say whether it is resolved. Restore it from a copy."
)
_NO_RUN: Final = (
    "{0}: it has what earlier nights read, and no run before this one that was done: every need is told as new. "
    "If {0}/runs was lost, restore it from a copy."
)


@dataclass(slots=True)
class TakenIn:
    """What was read tonight besides flows."""

    pending: list[Step] = field(default_factory=list)
    tags: set[tuple[str, bytes]] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def night(plan: Night, tell: Tell) -> Outcome:
    """Do all of it. Raises FwlensError where something stops the night; what is in the store by then is whole."""
    started = plan.clock()
    tell("info", "night begins", f"Answers for what was before {plan.until:%Y-%m-%d %H:%M} UTC.", {"run": plan.run})
    runs = plan.store.runs()
    before = [one for one in runs if one.state == "done" and one.until < plan.until]
    earlier, then = _earlier(plan, before, tell)
    if not before and any(one.account.night < plan.run for one in plan.store.inputs()):
        tell("warning", "not compared", _NO_RUN.format(plan.store.uri), {})
    if any(one.rows_read for one in before) and not plan.store.has_flows():
        tell("warning", "flows lost", _NO_FLOWS.format(plan.store.uri), {})
    read = take_in(plan, tell, before[-1].run if before else "")
    faults = tuple(read.faults)
    for fault in faults:
        tell("error", "not read", fault, {})
    asked = LookBack(plan.since, plan.until, plan.run, *((before[-1].run, before[-1].until) if before else ()))
    told, found, files = _answered(plan, asked, read, earlier, then, tell)
    for event, wrong in (("not proven", hints.unproven(told)), ("nothing read", unread(told.ledger))):
        for fault in wrong:
            tell("error", event, fault, {})
        faults += wrong
    stopped = tuple(silent(found.lasting, plan.until))
    for text in stopped:
        tell("warning", "silent", text, {})
    _tell_ledger(told, tell)
    name = folder.folder_of(plan.until, plan.run, runs)
    outcome = Outcome(told, found, earlier, plan.reports / name, faults)
    if plan.dry_run:
        tell("info", "dry run", f"Nothing was stored; results would lie in {outcome.folder}.", {})
        return outcome
    folder.write(plan.reports, name, files)
    tell("info", "report written", f"{outcome.folder}", {"folder": str(outcome.folder), "files": len(files)})
    plan.store.recommend(plan.run, recommended(told))
    if plan.post:
        _notify(plan.post, notice(plan.run, told, found, outcome.folder / f"{_PAGE}.html", stopped, faults), tell)
    plan.store.finish(_run(plan, outcome, name, started, files["diff.json"]))
    tell("info", "night done", table(outcome.diff, told).splitlines()[0], {"exit": outcome.exit})
    return outcome


def _earlier(plan: Night, before: Sequence[Run], tell: Tell) -> tuple[Run | None, Document | None]:
    """The last run that can be compared with, and its answer. One that cannot be read is told and passed over. A log
    that has been silent for longer than flows are kept is not told of any more."""
    for one in reversed(before):
        try:
            then = document.parse(one.answer.encode(), f"the answer of run {one.run}")
        except FwlensError as error:
            tell("warning", "not compared", str(error), {"run": one.run})
            continue
        return one, replace(then, logs=tuple(log for log in then.logs if log.last_seen >= plan.until - plan.keep_flows))
    return None, None


def take_in(plan: Night, tell: Tell, done: str = "") -> TakenIn:
    """Bring everything that is new since the night that was `done` last into the store, commit by commit."""
    read = TakenIn()

    def say(text: str) -> None:
        tell("warning", "kept", text, {})

    for step in _steps(plan, done, say, read.faults):
        if plan.dry_run:
            read.pending.append(replace(step, tags=()))
        elif step.taken:
            _put(plan.store, step)
        read.tags |= set(step.tags)
        read.faults += step.faults
        rows = sum(one.account.rows_read for one in step.taken)
        first = name_of(step.taken[0].label) if step.taken else ""
        more = f" and {len(step.taken) - 1} more" if len(step.taken) > 1 else ""
        tell(
            "info", "read" if plan.dry_run else "stored", f"{first}{more}: {rows:,} rows.",
            {"input": first, "inputs": len(step.taken), "rows": rows},
        )  # fmt: skip
    return read


def _put(store: Store, step: Step) -> None:
    progress = (store.progress(step.source) or 0) + 1 if step.progress is None else step.progress
    store.put(step.source, progress, step.taken, step.replaced)


def _steps(plan: Night, done: str, say: Callable[[str], None], faults: list[str]) -> Iterator[Step]:
    """A workspace that cannot be read keeps no other from being read: it is a fault, and later nights go on from where
    it stopped. Where nothing else is to be read, it stops the night."""
    failed: list[FwlensError] = []
    for workspace in plan.workspaces:
        try:
            yield from arrivals(
                plan.store,
                workspace,
                plan.until,
                look_back=plan.look_back,
                step=plan.window,
                overlap=plan.overlap,
                with_allowed=plan.ask.with_allowed,
                night=plan.run,
                done=done,
                now=plan.clock(),
                tell=say,
            )
        except FwlensError as error:
            failed.append(error)
    if failed and len(failed) == len(plan.workspaces) and not plan.logs:
        raise failed[0]
    faults += map(str, failed)
    if plan.logs:
        kept = floor(plan.until - plan.keep_flows, _DAY)
        yield from changed(
            plan.store,
            plan.logs,
            plan.until,
            listed_from=plan.since,
            since=kept,
            with_allowed=plan.ask.with_allowed,
            night=plan.run,
            done=done,
        )


def _answered(
    plan: Night, asked: LookBack, read: TakenIn, earlier: Run | None, then: Document | None, tell: Tell
) -> tuple[Answer, Diff, dict[str, bytes]]:
    """Match and recommend over the look-back; the answer, what changed, and every file that tells of it."""
    flows, partly = look_back(plan.store, asked, read.pending)
    flows = replace(flows, service_tags=tuple(sorted(read.tags)), faults=tuple(read.faults))
    if plan.ask.with_allowed and partly:
        tell("warning", "allowed", "Some of the look-back was read without its allowed entries (--with-allowed).", {})
    ask = replace(plan.ask, since=plan.since, until=plan.until)
    found = run.matched(ask, flows)
    name = f"the run of {earlier.until:%Y-%m-%d %H:%M} UTC" if earlier else ""
    whole = night_of(ask, found, earlier=then, earlier_name=name, place=plan.place, slot=SLOT)
    change = differences.diff(whole.answer, then, whole.documented if then else None, whole.lasting)
    for advice in (*hints.advice(found), *hints.unknown_rules(ask, found.rows)):
        tell("warning", "advice", advice, {})
    page = render(whole, name=_PAGE, shared_script=True)
    files = {
        "recommendations.json": to_json(whole.answer),
        "diff.json": differences.to_json(change, earlier=earlier.run if earlier else None, run=plan.run),
        f"{_PAGE}.html": page.page,
        SHARED_SCRIPT: plot_library().encode(),
        **{f"{_PAGE}.{one.ending}": one.content for one in page.beside},
        **{f"rules/{one.file_name}": one.text.encode() for one in whole.artefacts},
    }
    return whole.answer, change, files


def _tell_ledger(told: Answer, tell: Tell) -> None:
    """What became of the rows of the look-back: a night that set all aside should not look like a quiet one."""
    ledger = told.ledger
    aside = "; ".join(f"{one.rows:,} {one.reason}" for one in ledger.set_aside)
    text = f"Look-back: {ledger.rows_read:,} rows, {ledger.rows_used:,} used{f', set aside: {aside}' if aside else ''}."
    tell("info", "ledger", text, {"rows": ledger.rows_read, "used": ledger.rows_used})


def _notify(post: Callable[[Notice], str], said: Notice, tell: Tell) -> None:
    """Tell it; that it cannot be told is a warning, for the night itself went well."""
    fault = post(said)
    if fault:
        tell("warning", "not notified", fault, {})
    else:
        tell("info", "notified", "The webhook was told.", {})


def _run(plan: Night, outcome: Outcome, name: str, started: datetime, diff: bytes) -> Run:
    told, found = outcome.answer, outcome.diff
    return Run(
        run=plan.run,
        until=plan.until,
        since=plan.since,
        started=started,
        finished=plan.clock(),
        state="done",
        exit=outcome.exit,
        folder=name,
        told=outcome.faults,
        rows_read=told.ledger.rows_read,
        rows_used=told.ledger.rows_used,
        new=len(found.appeared),
        open=len(found.stayed),
        resolved=len(found.resolved),
        undocumented=len(found.undocumented),
        answer=to_json(told).decode(),
        diff=diff.decode(),
        fwlens=plan.version,
    )


def failed(plan: Night, why: str, tell: Tell) -> None:
    """Keep that a night failed and tell it, as far as both can be done; a run that is done stays so."""
    now = plan.clock()
    try:
        if not any(one.run == plan.run and one.state == "done" for one in plan.store.runs()):
            empty = {"rows_read": 0, "rows_used": 0, "new": 0, "open": 0, "resolved": 0, "undocumented": 0}
            plan.store.finish(
                Run(
                    run=plan.run, until=plan.until, since=plan.since, started=now, finished=now, state="failed", exit=1,
                    folder="", told=(why,), answer="", diff="", fwlens=plan.version, **empty,
                )
            )  # fmt: skip
    except FwlensError as error:
        if not why.startswith(f"{plan.store.uri}: the store cannot be read"):  # that is said already
            tell("warning", "not kept", str(error), {})
    if plan.post:
        _notify(plan.post, Notice(plan.run, "failed", f"fwlens: the night of {plan.run} failed. {why}"), tell)


def not_begun(at: datetime, why: str, post: Callable[[Notice], str], tell: Tell) -> None:
    """Tell a webhook that a night could not even begin, at this time (UTC): nobody else may hear of it."""
    name = run_name(at)
    _notify(post, Notice(name, "failed", f"fwlens: the night of {name} could not begin. {why}"), tell)


def tidy(plan: Night, tell: Tell) -> None:
    """Drop what is older than it is to be kept. That this cannot be done is a warning: the night is done."""
    try:
        runs = plan.store.runs()
        gone = _gone(plan)
        plan.store.forget(floor(plan.until - plan.keep_flows, _DAY), gone, plan.until - plan.keep_runs)
        old = tuple(one.folder for one in runs if one.until < plan.until - plan.keep_reports)
        kept = {one.folder for one in runs if one.until >= plan.until - plan.keep_reports}
        folder.forget(plan.reports, tuple(name for name in old if name not in kept))
    except FwlensError as error:
        tell("warning", "not tidied", str(error), {})


def _gone(plan: Night) -> list[str]:
    """Inputs of which nothing is kept and that nobody could read again."""
    horizon = floor(plan.until - plan.keep_flows, _DAY)
    there = {one.label for one in plan.logs.found(plan.since)} if plan.logs else set()
    every = sorted(plan.store.inputs(), key=lambda one: one.turn)
    last = {one.name: one for one in every if one.name in there}
    old = [one for one in every if (one.account.last or one.end) < horizon and one.end < horizon]
    return [one.id for one in old if last.get(one.name) is not one]
