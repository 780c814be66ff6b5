"""Knows how the near side of a flow is named in a rule: the address that was seen, or the subnet that a person gave."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

import polars as pl

from fwlens.errors import FwlensError
from fwlens.rule import Network

ANYWHERE: Final = "*"
"""The near side in a managed network, whose rules name none."""


@dataclass(frozen=True, slots=True)
class Nears:
    """Near addresses (canonical text) that stand for a given subnet; others stand for themselves."""

    names: dict[str, str]

    def named(self, near: pl.Expr) -> pl.Expr:
        """The column of near addresses as rules name them."""
        return near.replace(self.names)


def nears(addresses: Iterable[str | None], subnets: Iterable[Network]) -> Nears:
    """Which of the addresses lie in which subnet. Of subnets that lie in each other the outermost one counts: it takes
    in the others, and two names for one address would be two needs."""
    outermost = sorted(subnets, key=lambda subnet: subnet.prefixlen)
    if not outermost:
        return Nears({})
    names = {}
    for text in sorted({address for address in addresses if address}):
        parsed = ip_address(text)
        around = next((subnet for subnet in outermost if parsed in subnet), None)
        if around is not None:
            names[text] = str(around)
    return Nears(names)


def subnet(text: str) -> Network:
    """A subnet as a person writes it. Raises FwlensError for what is no network."""
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise FwlensError(f"{text!r} is no subnet ({error}). Write a network such as 10.20.1.0/24.") from None
