"""Knows what of an earlier answer lasts: the needs and rules that the denied conversations of a window still call for.

An answer cites a need only where a rule or a reason stands for it, so that it cites one no more does not say that
nothing of it was denied: it may have been asked for otherwise, be refused, or lie behind a service tag that nobody can
look up. Here the conversations are asked instead: by the question of then, and by whether they would use its rules. And
that nothing of it is denied says something only where the logs that showed it then are still read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from fwlens import address, flow, run
from fwlens.answer import Answer, destination
from fwlens.certificate import replay
from fwlens.certificate.evidence import ANYWHERE, far_side, near_atoms
from fwlens.document import Document
from fwlens.match import Choice, match
from fwlens.proof import UNKNOWN, Lasting, Log, Why
from fwlens.rule import Endpoint, Recommendation, Rule

_EVERYWHERE: Final = (Endpoint.parse("0.0.0.0/0"), Endpoint.parse("::/0"))
_WHY: Final[Mapping[str, Why]] = {"needed": "asked", "unexplained": "unexplained", "refused": "refused"}
_OTHERWISE: Final = ("unexplained", "explained")
_KEY: Final = ("source", "destination", "over")


def lasting(ask: run.Ask, found: run.Matched, told: Answer, earlier: Document) -> Lasting:
    """What the denied conversations of a window call for of an earlier answer. `told` is the answer of now.

    A need lasts where a denied conversation has it, asked as then; where one that no need of then explains would use a
    rule that cites it; where it was handed back, and is denied still; or where a log that showed it is silent now.
    """
    denied = _denied(ask, found, earlier)
    cited = {one.rule.id: {each.id for each in one.citations} for one in earlier.recommendations}
    open_then = {*(need for needs in cited.values() for need in needs), *(need for *_, need in earlier.unsaid)}
    stay = {one.rule.id for one in told.recommendations}
    open_now = _open(told)
    rules = [one.rule for one in earlier.recommendations if one.rule.id not in stay or cited[one.rule.id] - open_now]
    likely = _likely(denied, rules, found)
    is_strange, is_other = pl.col("requirement").is_null(), ~pl.col("requirement").is_in(sorted(open_then))
    unknown = _unknown(rules, denied.filter(is_strange), found, told, earlier)
    used, unmet = _used(rules, likely, found, earlier), _unmet(told, rules, likely, found, earlier)
    needs: dict[str, Why] = {}
    found_then = denied.drop_nulls("requirement").select("verdict", "requirement").unique()
    for verdict, need in found_then.sort("verdict", "requirement").iter_rows():  # needed, unexplained, refused
        needs.setdefault(need, _WHY[verdict])
    by_rules: tuple[tuple[Why, set[str]], ...] = (
        ("unexplained", _used(rules, likely.filter(is_strange), found, earlier)),
        ("explained", _used(rules, likely.filter(is_other), found, earlier)),
        ("tags", unknown),
    )
    for why, ids in by_rules:
        for need in sorted(need for each in ids for need in cited[each]):
            needs.setdefault(need, why)
    for need in _denied_still(earlier.unsaid, denied.filter(is_strange)):
        needs.setdefault(need, "unexplained")
    if {*earlier.catalogs} - {path.name for path in ask.catalogs}:
        known = {need.id for need in found.catalog.requirements}
        needs |= {need: "asked" for need, why in needs.items() if why in _OTHERWISE and need not in known}
    silent, is_blind = dict(_silent(ask, found, earlier)), not (found.rows.height or found.flows.ledger.counted)
    for why, names in (*((why, log.every) for log, why in silent.items()), ("unread", open_then if is_blind else ())):
        for need in names:
            needs.setdefault(need, why)
    mute = {one.rule.id for one in earlier.recommendations if is_blind or any(_is_of(one, log) for log in silent)}
    met = used - unknown - unmet
    return Lasting(needs, frozenset(used | unknown), frozenset(met), frozenset(mute), silent)


def _open(told: Answer) -> set[str]:
    """The needs that are open in an answer."""
    cited = {each.id for one in told.recommendations for each in one.citations}
    return cited | {one.requirement for one in told.unsaid}


def _silent(ask: run.Ask, found: run.Matched, earlier: Document) -> Iterator[tuple[Log, Why]]:
    """The logs of then of which nothing was read now, and what is not known of their needs.

    Where this window overlaps that of then, only what is later than then says that a log is still sent. Allowed entries
    that are only counted do not say which device wrote them: they speak for a log where no other device is known to
    write to it, or where their place is named after the device (as blobs are), and for none of several.
    """
    end = earlier.until or max((log.last_seen for log in earlier.logs), default=None)
    overlaps = bool(ask.since and end and ask.since < end)
    rows = found.rows.group_by("device", log=flow.log()).agg(pl.col("last_seen").max())
    heard = {(name, device): last for device, name, last in rows.iter_rows()}
    devices = {*heard, *((log.name, log.device) for log in earlier.logs)}
    for log in earlier.logs:
        last = heard.get((log.name, log.device))
        if last and (last > log.last_seen or not overlaps):
            continue
        mine = [one for one in found.flows.ledger.counted if log.name in one.logs]
        sure = [one for one in mine if one.logs == (log.name,) and (one.since or not overlaps)]
        alone = sum(name == log.name for name, _ in devices) == 1
        if not any(alone or (log.device or "\n") in one.path.lower() for one in sure):
            yield log, "counted" if mine else "unread"


def _is_of(one: Recommendation, log: Log) -> bool:
    """Whether a rule rests on what a log showed."""
    devices = one.evidence.devices
    return any(each.id in log.every for each in one.citations) and (not devices or log.device in (None, *devices))


def kept(told: Answer, last: Lasting, found: run.Matched) -> Answer:
    """An answer that says of which logs of an earlier one nothing was read since, and which needs they showed: so that
    the next knows what was never resolved."""
    logs = {(log.name, log.device): log for log in told.logs}
    known = {need.id for need in found.catalog.requirements}
    still = {need for need, why in last.needs.items() if why in UNKNOWN} | _open(told)
    for log in last.silent:
        now = logs.get((log.name, log.device), log._replace(needs=()))
        if needs := (known & still & log.every) - set(now.needs):
            seen = max(now.last_seen, log.last_seen)
            logs[log.name, log.device] = now._replace(last_seen=seen, unknown=tuple(sorted(needs)))
    return replace(told, logs=tuple(sorted(logs.values(), key=lambda log: (log.name, log.device or ""))))


def _denied(ask: run.Ask, found: run.Matched, earlier: Document) -> pl.DataFrame:
    """The denied conversations as the question of then matches them, with `now`: the platform whose rules meet them."""
    rows = found.rows.filter(pl.col("action") == "Deny")
    choice = Choice(earlier.asked.region, earlier.profiles)
    then = rows
    if (choice, earlier.never_override) != (ask.choice, ask.never_override):
        then = match(
            rows.select(*flow.FLOW),
            found.catalog.requirements,
            tags=found.tags,
            choice=choice,
            never_override=earlier.never_override,
        )
    platform = pl.lit(ask.platform) if ask.platform else rows["plane"].cast(pl.String)
    is_needed = rows["verdict"] == "needed"
    inbound = pl.col("direction") == "inbound"
    return then.with_columns(
        now=pl.when(is_needed).then(platform),
        source="src_ip",
        destination=destination(),
        over=flow.service(pl.col("protocol"), pl.col("dst_port")),
        near=pl.when(inbound).then("dst_ip").otherwise("src_ip"),
        host=pl.when(~inbound).then("dst_fqdn"),
        address=pl.when(inbound).then("src_ip").otherwise("dst_ip"),
    )


def _among(keys: Iterable[tuple[str, str, str]]) -> pl.Expr:
    """Whether a conversation is one of those that an answer named by source, destination and service."""
    texts = sorted({"\n".join(key) for key in keys})
    return pl.concat_str(*_KEY, separator="\n").is_in(texts).fill_null(value=False)


def _denied_still(unsaid: Sequence[tuple[str, str, str, str]], rows: pl.DataFrame) -> list[str]:
    """The needs of what was handed back and is among these conversations."""
    there = set(rows.filter(_among(each[:3] for each in unsaid)).select(_KEY).iter_rows()) if unsaid else set()
    return sorted({each[3] for each in unsaid if each[:3] in there})


def _unmet(
    told: Answer, rules: Sequence[Rule], denied: pl.DataFrame, found: run.Matched, earlier: Document
) -> set[str]:
    """The rules that a conversation would use which no rule of now, of their platform, lets through."""
    unmet: set[str] = set()
    unsaid = _among((one.flow.src_ip, one.flow.destination, one.flow.service) for one in told.unsaid)
    for platform in sorted({rule.platform for rule in rules}):
        mine = [rule for rule in rules if rule.platform == platform]
        unmet |= _used(mine, denied.filter(pl.col("now").ne_missing(platform) | unsaid), found, earlier)
    return unmet


def _unknown(
    rules: Iterable[Rule], strange: pl.DataFrame, found: run.Matched, told: Answer, earlier: Document
) -> set[str]:
    """The rules that may be used, for all that can be told: they hold tags of a service-tag file that is not that of
    now, and where nothing explains an address, it may have been in any of them."""
    if earlier.service_tags in (None, told.service_tags):
        return set()
    wide: dict[Rule, list[str]] = {}
    for rule in rules:
        inbound = rule.direction == "inbound"
        if any(end.kind == "tag" for end in (rule.sources if inbound else rule.destinations)):
            opened = replace(rule, sources=_EVERYWHERE) if inbound else replace(rule, destinations=_EVERYWHERE)
            wide.setdefault(opened, []).append(rule.id)
    by_address = strange.filter(pl.col("now").is_null() & pl.col("address").is_not_null())
    family = pl.col("address").str.contains(":", literal=True)  # where all addresses may be it, one of each is enough
    few = by_address.unique(["near", "direction", "plane", "over", family], keep="first", maintain_order=True)
    used = _used(tuple(wide), few, found, earlier)
    return {name for rule, names in wide.items() if rule.id in used for name in names}


def _used(rules: Sequence[Rule], rows: pl.DataFrame, found: run.Matched, earlier: Document) -> set[str]:
    """The rules, by their ids, that some of these conversations would use."""
    if not (rules and rows.height):
        return set()
    needed = rows.with_columns(verdict=pl.lit("needed", flow.VERDICTS))
    tried = replay(rules, needed, found.catalog.requirements, tags=found.tags, asked=earlier.asked)
    return {rule.id for rule in rules} - set(tried.idle)


def _likely(rows: pl.DataFrame, rules: Sequence[Rule], found: run.Matched) -> pl.DataFrame:
    """The rows that rules might allow, judged a column at a time: of millions without a need few come near a rule."""
    sides = {end for rule in rules for end in far_side(rule)}
    names = sorted(end.text for end in sides if end.kind == "host")
    patterns = [pl.col("host").str.ends_with(end.text[1:]) for end in sides if end.kind == "wildcard"]
    is_tagged = any(end.kind == "tag" for end in sides)
    by_document = pl.col("requirement").is_not_null() & pl.col("address").is_null() & is_tagged
    far = [pl.col("host").is_in(names), *patterns, pl.col("address").is_in(_reached(rows, rules, found)), by_document]
    few = rows.filter(pl.any_horizontal(far).fill_null(value=False))
    if any(end.text == ANYWHERE for rule in rules for end in (*rule.sources, *rule.destinations)):
        return few
    return few.filter(pl.col("near").is_in(sorted(near_atoms(rules, few["near"].drop_nulls()))))


def _reached(rows: pl.DataFrame, rules: Sequence[Rule], found: run.Matched) -> list[str]:
    """The addresses on the other side that rules name, by themselves, in a network or through a service tag."""
    texts = rows["address"].drop_nulls().unique()
    turned = [replace(rule, direction="outbound" if rule.direction == "inbound" else "inbound") for rule in rules]
    reached = set(near_atoms(turned, texts))
    tags = sorted(end.text for rule in rules for end in far_side(rule) if end.kind == "tag")
    if tags and found.tags is not None:
        numbers = address.parse(texts).drop_nulls()
        tagged = found.tags.of(numbers["number"]).filter(pl.col("tag").is_in(tags))
        reached |= set(numbers.join(tagged, on="number", how="semi")["text"])
    return sorted(reached)
