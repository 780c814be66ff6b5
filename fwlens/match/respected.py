"""Knows which deny rules a person wants respected: those that `--never-override` names, whole or by a part.

A rule of a firewall is told with its place, `policy / group / collection / rule`; one of an NSG by its name. A name is
that of a rule, or of a collection, group or policy that it lies in, or several of these in a row: to respect a rule too
many leaves something blocked, and one too few would open what is denied on purpose.
"""

import difflib
from collections.abc import Iterable, Sequence

import polars as pl

_APART = " / "
_MOST = 3


def is_respected(names: Iterable[str]) -> pl.Expr:
    """Whether the rule that decided is named, in any case."""
    wanted = [part for name in names for part in _bounded(name)]
    rule = pl.lit(_APART) + pl.col("rule").str.to_lowercase() + pl.lit(_APART)
    return rule.str.contains_any(wanted).fill_null(False) if wanted else pl.lit(False)


def strangers(names: Iterable[str], rows: pl.DataFrame) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The names that no deny rule of these rows bears, each with the nearest rules there are, or with some of them."""
    rules = (
        rows.filter((pl.col("cause") == "deny rule") & pl.col("rule").is_not_null())
        .select("rule")
        .unique()
        .sort("rule")
    )
    return tuple(
        (name, _nearest(name, rules["rule"].to_list()))
        for name in dict.fromkeys(names)
        if not rules.select(is_respected([name]).any()).item()
    )


def _bounded(name: str) -> tuple[str, ...]:
    """A name between the marks that parts stand between, as it was written and with any spaces about its slashes."""
    written = name.strip().lower()
    parts = [part.strip() for part in written.split("/")]
    spelled = dict.fromkeys((written, _APART.join(filter(None, parts))))
    return tuple(f"{_APART}{each}{_APART}" for each in spelled if each)


def _nearest(name: str, rules: Sequence[str]) -> tuple[str, ...]:
    bearers: dict[str, str] = {}
    for rule in rules:
        for part in (rule, *rule.split(_APART)):
            bearers.setdefault(part.lower(), rule)
    near = difflib.get_close_matches(name.strip().lower(), bearers, _MOST)
    return tuple(dict.fromkeys(bearers[part] for part in near)) or tuple(rules[:_MOST])
