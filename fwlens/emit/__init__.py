"""Knows how rules are written for a platform: proven against its limits first, then as text that people apply.

Every form of a platform says the same; each comes with the text that takes its rules back. A rule that the platform
cannot hold, a limit that is broken and a word that is not plain are faults, and nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fwlens.emit import aml_managed_network, azure_firewall, nsg
from fwlens.emit.platform import Options, Target, in_order, prove_words
from fwlens.emit.ticket import TICKETS
from fwlens.errors import FwlensError
from fwlens.rule import Platform, Recommendation

__all__ = ["FORMS", "PLATFORMS", "TITLES", "Artefact", "Options", "emit", "forms_of", "meant_for", "platforms_of"]

PLATFORMS: Final[Mapping[Platform, Target]] = {
    target.name: target for target in (azure_firewall.TARGET, nsg.TARGET, aml_managed_network.TARGET)
}
FORMS: Final = tuple(dict.fromkeys([*(form for target in PLATFORMS.values() for form in target.forms), *TICKETS]))
"""The names of all forms; csv and markdown hold rules of any platform."""

TITLES: Final[Mapping[str, str]] = {
    "arm": "ARM template",
    "bicep": "Bicep",
    "terraform": "Terraform",
    "az": "Azure CLI script",
    "yaml": "Workspace YAML",
    "csv": "CSV",
    "markdown": "Change ticket",
}
"""The forms, as people call them."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """A text to apply, the text that takes it back, file names for both, and what to read before applying.

    `platform` is None where the text is for rules of any platform.
    """

    platform: Platform | None
    form: str
    file_name: str
    text: str
    undo_name: str
    undo: str
    remarks: tuple[str, ...] = ()


def forms_of(platform: Platform) -> tuple[str, ...]:
    """The forms that a platform's rules are written in: first those that are applied, then those for any platform."""
    return (*PLATFORMS[platform].forms, *TICKETS)


def platforms_of(recommendations: Sequence[Recommendation], form: str) -> tuple[Platform, ...]:
    """The platforms that get an artefact each; none where one text of the form holds rules of any platform."""
    return () if form in TICKETS else tuple(dict.fromkeys(one.rule.platform for one in in_order(recommendations)))


def emit(recommendations: Sequence[Recommendation], form: str, options: Options) -> tuple[Artefact, ...]:
    """The rules in one form: one artefact for each platform among them, or a single one where the form is for any.

    Rules that several answers have in common are written once. No rules yield no artefact. Raises FwlensError for a
    rule or a set that Azure would refuse, and for a form that the platform has not.
    """
    prove_words(recommendations)
    ordered = tuple(in_order(recommendations))
    if form in TICKETS:
        ticket = TICKETS[form]
        texts = ticket.render(ordered, options), ticket.undo(ordered, options)
        name = f"rules.{ticket.suffix}", f"rules.{ticket.undo_suffix}"
        return (Artefact(None, form, name[0], texts[0], name[1], texts[1]),)
    return tuple(
        _artefact(PLATFORMS[platform], ordered, form, meant_for(platform, ordered, options))
        for platform in platforms_of(ordered, form)
    )


def meant_for(platform: Platform, recommendations: Sequence[Recommendation], options: Options) -> Options:
    """What of the options is meant for a platform where there are rules for others too: a priority to come before
    counts where a named rule denied. Raises FwlensError for a name, which is that of one resource."""
    platforms = dict.fromkeys(one.rule.platform for one in recommendations)
    if len(platforms) < 2:
        return options
    if options.target:
        raise FwlensError(f"--target is the name of one resource, and there are rules for {' and '.join(platforms)}.")
    if any(one.evidence.denied_by for one in recommendations if one.rule.platform == platform):
        return options
    return replace(options, priority_below=None)


def _artefact(target: Target, ordered: Sequence[Recommendation], form: str, options: Options) -> Artefact:
    written = target.forms.get(form)
    if written is None:
        raise FwlensError(f"{target.name} is not written as {form}: take {', '.join(forms_of(target.name))}.")
    mine = tuple(one for one in ordered if one.rule.platform == target.name)
    target.prove(mine, options)
    return Artefact(
        platform=target.name,
        form=form,
        file_name=f"{target.name}.{written.suffix}",
        text=written.render(mine, options),
        undo_name=f"{target.name}.{written.undo_suffix}",
        undo=written.undo(mine, options),
        remarks=target.remarks(mine, options),
    )
