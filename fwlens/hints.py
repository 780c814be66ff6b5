"""Knows what to tell beside an answer, in sentences: what is missing, mistyped or other than it was."""

import re
from ipaddress import ip_address
from typing import Final

import polars as pl

from fwlens import address
from fwlens.answer import Answer
from fwlens.document import Document
from fwlens.errors import one_line
from fwlens.match import strangers
from fwlens.run import Ask, Matched
from fwlens.tags import ADVICE

# `resource group/network/subnet`, each as Azure allows it to be named.
_SUBNET: Final = re.compile(r"[A-Za-z0-9_.()-]{1,90}(/[A-Za-z0-9_.-]{1,80}){2}")
_MOST_SUBNETS: Final = 3
_LONGEST: Final = 200  # characters of a rule's name: a log may hold any text


def unproven(told: Answer) -> tuple[str, ...]:
    """Where an answer does not pass its own check. Such rules are told and never written: who applies rules in a hurry
    reads no certificate."""
    if not told.certificate.faults:
        return ()
    first, *others = told.certificate.faults
    more = f" (and {len(others)} more)" if others else ""
    return (f"The rules do not pass their own check, which is a fault of fwlens: do not apply them. {first}{more}",)


def advice(found: Matched) -> tuple[str, ...]:
    """What to tell beside an answer: without a service-tag file, addresses cannot be explained."""
    by_address = (pl.col("verdict") == "unexplained") & pl.col("dst_fqdn").is_null() & pl.col("dst_ip").is_not_null()
    return (ADVICE,) if found.tags is None and found.rows.filter(by_address).height else ()


def unknown_rules(ask: Ask, rows: pl.DataFrame) -> tuple[str, ...]:
    """What to tell of each name of `--never-override` that no deny rule among these flows bears: it protects nothing,
    and may be mistyped."""
    return tuple(
        f"--never-override {name!r}: no rule of this name denied anything that was read. "
        + (
            f"Rules that did: {', '.join(one_line(rule)[:_LONGEST] for rule in rules)}."
            if rules
            else "No named rule did."
        )
        for name, rules in strangers(ask.never_override, rows)
    )


def other_tags(document: Document, found: Matched) -> tuple[str, ...]:
    """What to tell where the rules of a document rest on another service-tag file than this check does."""
    made, mine = document.service_tags, found.tags.change_number if found.tags else None
    if made is None or made == mine:
        return ()
    here = "has none: pass it with --service-tags" if mine is None else f"uses {mine}: tags may name other addresses"
    return (f"The rules rest on the service-tag file with change number {made}, and this check {here}.",)


def of_its_time(document: Document) -> tuple[str, ...]:
    """What to tell where an answer was asked for of a part of the time of its logs, and is checked so."""
    begin, end = (when and when.strftime("%Y-%m-%d %H:%M:%S") for when in (document.since, document.until))
    spans = [f"from {begin}" if begin else "", f"until {end}" if end else ""]
    span = " ".join(filter(None, spans))
    return (
        (f"The answer is of the logs {span} (UTC), and so is this check; --since and --until say otherwise.",)
        if span
        else ()
    )


def named_subnets(ask: Ask, found: Matched) -> tuple[str, ...]:
    """A hint for `--subnet`: subnets that logs name for addresses with a need, and that were not asked for.

    Traffic Analytics gives names and no ranges, so the range is for a person to look up. A name is free text from a
    log; only one that Azure would allow is told.
    """
    needed = found.rows.filter(pl.col("verdict") == "needed")
    near = pl.when(pl.col("direction") == "inbound").then("dst_ip").otherwise("src_ip")
    sources = set(needed.select(near).to_series().unique())
    texts = address.parse(pl.Series([text for text, _ in found.flows.subnets], dtype=pl.String))
    canonical: dict[str, str] = dict(texts.select("text", "ip").drop_nulls().iter_rows())
    members: dict[str, set[str]] = {}
    for text, name in found.flows.subnets:
        ip = canonical.get(text, "")
        if ip in sources and _SUBNET.fullmatch(name) and not any(ip_address(ip) in net for net in ask.options.subnets):
            members.setdefault(name, set()).add(ip)
    if not members:
        return ()
    told = [f"{name} ({len(ips)} of the sources)" for name, ips in sorted(members.items())]
    more = f" and {len(told) - _MOST_SUBNETS} more" if len(told) > _MOST_SUBNETS else ""
    return (
        f"Traffic Analytics names the subnet of sources, not its range: {', '.join(told[:_MOST_SUBNETS])}{more}. "
        "--subnet CIDR names a whole subnet as source.",
    )
