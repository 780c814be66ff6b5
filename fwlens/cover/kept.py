"""Knows how to stay near an earlier cover: of covers with as few boxes, the one in which most of its boxes are left.

What people have applied is what an earlier answer said. There are many covers with as few boxes as can be, and the one
that a search comes upon first may have none of them, though one flow more needs one box to change.
"""

from collections.abc import Sequence

import numpy as np

from fwlens.cover.boxes import Box, Listing
from fwlens.cover.reach import Bits, Numbers, hardest, reach
from fwlens.cover.search import search_from
from fwlens.cover.solve import Need, reaches


def nearest(listing: Listing, chosen: Numbers, needs: Sequence[Need], earlier: Sequence[Box]) -> list[Box]:
    """No more boxes than are chosen, by number, of the listing; of `earlier` ones as many as can be found.

    All needs are looked at: one that every box of the listing meets with another may be left out by an earlier box.
    """
    met = reaches(earlier, needs)
    theirs = np.array([[number in mine for mine in met] for number in range(len(needs))], bool)
    by_need = np.hstack([reach(listing, needs), theirs])
    reached = np.ascontiguousarray(by_need[hardest(by_need)].T)
    old = np.arange(len(listing.masks), len(reached))
    found = [_returned(reached, old, cover) for cover in [chosen, *search_from(old, reached, len(chosen))]]
    best = min(found, key=lambda cover: (len(cover), -int((cover >= old[0]).sum()), tuple(cover)))
    return [earlier[number - old[0]] if number >= old[0] else listing.box(int(number)) for number in best]


def _returned(reached: Bits, earlier: Numbers, cover: Numbers) -> Numbers:
    """The cover, with every earlier box in it that can take the place of another one."""
    times = reached[cover].sum(axis=0)
    for box in earlier:
        others = cover[cover < earlier[0]]
        only = reached[others] & (times == 1)
        spare = np.flatnonzero(~(only & ~reached[box]).any(axis=1))
        if box not in cover and len(spare):
            times += reached[box].astype(int) - reached[others[spare[0]]].astype(int)
            cover = np.sort(np.append(cover[cover != others[spare[0]]], box))
    return cover
