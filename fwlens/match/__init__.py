"""Flows x requirements -> MATCHED: which documented need explains a flow, and what is nearest to one that none does.

Everything happens on distinct keys (`patterns.PEER`), joined once against a table of patterns; flows join back.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from fwlens import names
from fwlens.flow import MATCHED, VERDICTS
from fwlens.match.choice import Choice
from fwlens.match.near import near
from fwlens.match.patterns import PEER, hits, is_carried, patterns, with_peer, with_services
from fwlens.match.respected import is_respected, strangers
from fwlens.requirement import Requirement
from fwlens.tags import TOO_WIDE, ServiceTags

__all__ = ["Choice", "match", "near", "strangers"]

_REFUSED: Final = ("threat intelligence", "intrusion prevention", "encryption")


def match(
    flows: pl.DataFrame,
    requirements: Sequence[Requirement],
    *,
    tags: ServiceTags | None = None,
    choice: Choice = Choice(),
    never_override: Iterable[str] = (),
) -> pl.DataFrame:
    """Every flow with its one verdict: columns `MATCHED`, rows in the order of `flows`.

    The narrowest explanation wins: an exact name before a pattern, a longer pattern before a shorter one, a smaller
    tag before a larger one; then the better basis (documented, vendor, observed), level and id.
    """
    chosen = choice.of(requirements)
    keyed = with_peer(flows)
    keys = keyed.select(PEER).unique()
    table = patterns(chosen, [choice.region] if choice.region else names.REGIONS)
    found = hits(keys, table, tags).filter(~pl.col("by").str.starts_with(f"tag:{TOO_WIDE}"))
    best = (
        with_services(found, chosen)
        .filter(is_carried())
        .sort("width", "rank", "way", "by", "service")
        .unique(PEER, keep="first", maintain_order=True)
        .select(*PEER, "requirement", "way", "by", "service", "width")
    )
    matched = keyed.join(best, on=PEER, how="left", nulls_equal=True, maintain_order="left")
    return matched.with_columns(_verdict(never_override)).select(*MATCHED).cast(MATCHED)


def _verdict(never_override: Iterable[str]) -> pl.Expr:
    """The table of verdicts in docs/design.md. `never_override` names rules, see `is_respected`."""
    explained, cause = pl.col("requirement").is_not_null(), pl.col("cause").cast(pl.String)
    by_name = pl.col("width") < 1
    verdict = (
        pl.when((pl.col("action") == "Allow") & explained)
        .then(pl.lit("working"))
        .when(pl.col("action") == "Allow")
        .then(pl.lit("surplus"))
        .when(cause.is_in(_REFUSED))
        .then(pl.lit("refused"))
        .when(~explained | ((cause == "no host name") & by_name))
        .then(pl.lit("unexplained"))
        .when((cause == "deny rule") & is_respected(never_override))
        .then(pl.lit("refused"))
        .otherwise(pl.lit("needed"))
    )
    return verdict.cast(VERDICTS).alias("verdict")
