"""Knows what a person chooses of the catalogue."""

from dataclasses import dataclass

from fwlens.requirement import Requirement


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chooses of the catalogue: a region (published suffix) or any, profiles or all."""

    region: str | None = None
    profiles: tuple[str, ...] = ()

    def takes(self, requirement: Requirement) -> bool:
        """Whether a requirement is in one of the profiles; one without profiles always is."""
        return not self.profiles or not requirement.when or bool(set(self.profiles) & set(requirement.when))
