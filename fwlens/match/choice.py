"""Knows what a person chooses of the catalogue."""

from collections.abc import Iterable
from dataclasses import dataclass

from fwlens.requirement import Requirement


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chooses of the catalogue: a region (published suffix) or any, profiles or all."""

    region: str | None = None
    profiles: tuple[str, ...] = ()

    def _takes(self, requirement: Requirement) -> bool:
        """Whether a requirement is in one of the profiles; one without profiles always is."""
        return not self.profiles or not requirement.when or bool(set(self.profiles) & set(requirement.when))

    def of(self, requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
        """The requirements in one of the profiles, and those without which they do not work: of what they depend on."""
        every = tuple(requirements)
        taken = {one.id for one in every if self._takes(one)}
        while True:
            asked = {peer for one in every if one.id in taken for peer in one.depends_on}
            more = {one.id for one in every if any(asked.intersection(way.peers) for way in one.ways)}
            if more <= taken:
                return tuple(one for one in every if one.id in taken)
            taken |= more
