"""Knows the way from recommendations to the texts that people apply, and where those are put."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fwlens.cli.options import Artefact, Below, IpGroups, Place, PlatformName, Rollback, Taken, TargetName
from fwlens.cli.terminal import put, put_all, say, tell, wrong_usage
from fwlens.errors import FwlensError, plain

if TYPE_CHECKING:
    from fwlens.document import Document
    from fwlens.emit import Artefact as Text
    from fwlens.emit import Options
    from fwlens.rule import Recommendation, Unsaid

emit_app = typer.Typer(rich_markup_mode=None)

_MOST_DEVICES: Final = 10
_EVERY: Final = tuple(platform.value for platform in PlatformName)
_PLACED: Final = ("azure-firewall", "nsg")
# The forms and the platforms that an option says something about.
_MEANT_FOR: Final = {
    "target": (("arm", "bicep", "yaml"), _EVERY),
    "priority_below": (("arm", "bicep", "terraform", "az"), _PLACED),
    "priority_taken": (("arm", "bicep", "terraform", "az"), _PLACED),
    "ip_groups": (("arm", "bicep", "terraform"), ("azure-firewall",)),
    "rollback": (tuple(form.value for form in Artefact), _EVERY),
}


@emit_app.command("emit")
def emit(
    documents: Annotated[
        list[str],
        typer.Argument(metavar="RECOMMENDATIONS.json", help="Answers in JSON, edited or not; - for stdin."),
    ],
    form: Annotated[Artefact, typer.Option("--format", help="How the rules are applied, or asked for.")],
    platform: Annotated[PlatformName | None, typer.Option("--platform", help="Only rules of this platform.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Only what this firewall or NSG denied (the end of its id).")
    ] = None,
    target: TargetName = None,
    priority_below: Below = None,
    priority_taken: Taken = None,
    ip_groups: IpGroups = False,
    output: Place = None,
    rollback: Rollback = None,
) -> None:
    """The rules of one or more answers as Azure takes them, proven against its limits first.

    Example: fwlens emit answer.json --format bicep --platform azure-firewall -o fwlens.bicep --rollback undo.sh
    """
    from fwlens import document

    read = [
        document.parse(sys.stdin.buffer.read(), "standard input") if each == "-" else document.read(Path(each))
        for each in documents
    ]
    every = [one for each in read for one in each.recommendations]
    mine = [one for one in every if _is_at(one, device)]
    if every and not mine:
        raise FwlensError(f"--device {device}: no rule is for what such a device denied. {_devices(every)}")
    wanted = [one for one in mine if platform is None or one.rule.platform == platform.value]
    place = options(
        target, priority_below, priority_taken, ip_groups=ip_groups, form=form.value, rollback=rollback,
        platforms=tuple({one.rule.platform for one in wanted}),
    )  # fmt: skip
    write(wanted, form.value, place, output, rollback)
    tell(_left_out(name, each) for name, each in zip(documents, read, strict=True) if each.handed_back)


def _is_at(one: "Recommendation", device: str | None) -> bool:
    return device is None or any(each.casefold().endswith(device.casefold()) for each in one.evidence.devices)


def _devices(every: "Sequence[Recommendation]") -> str:
    """The devices whose denials the rules are for, by the end of their ids."""
    there = sorted({plain(each.rpartition("/")[2]) for one in every for each in one.evidence.devices})
    more = f" and {len(there) - _MOST_DEVICES} more" if len(there) > _MOST_DEVICES else ""
    return f"There are: {', '.join(there[:_MOST_DEVICES])}{more}." if there else "The rules name no device."


def _left_out(name: str, document: "Document") -> str:
    from fwlens.emit.platform import shown

    flows, needs = len(document.handed_back), sorted(set(document.unsaid_needs))
    about = ", ".join(map(shown, needs[:5])) + (", …" if len(needs) > 5 else "")
    return (
        f"{name}: {flows} blocked conversation{'s' if flows > 1 else ''} that no rule of this answer allows"
        f"{f' ({about})' if about else ''}; the answer says why."
    )


def options(
    target: str | None,
    below: int | None,
    taken: list[int] | None,
    *,
    ip_groups: bool,
    form: str | None = None,
    platforms: Sequence[str] = (),
    rollback: Path | None = None,
) -> "Options":
    """What the options say about the place that rules go to. What can be no name of a resource is wrong usage, and so
    is an option that does nothing in this form, or for rules of these platforms (without any: of all)."""
    from fwlens.emit import Options

    said = dict(zip(_MEANT_FOR, (target, below, taken, ip_groups, rollback), strict=True))
    for name, why in idle(said, form, platforms):
        raise typer.BadParameter(why, param_hint=f"'--{name.replace('_', '-')}'")
    with wrong_usage():
        return Options(target, below, frozenset(taken or ()), ip_groups)


def idle(said: Mapping[str, object], form: str | None, platforms: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options that do nothing in this form, or for rules of these platforms (without any: of all), and why."""
    for name, value in said.items():
        forms, places = _MEANT_FOR[name]
        if value and form is not None and form not in forms:
            yield name, f"is for --format {_either(forms)}."
        elif value and platforms and not set(platforms) & set(places):
            yield name, f"is for rules of {_either(places)}."


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def write(
    recommendations: Sequence["Recommendation"], form: str, place: "Options", output: str | None, rollback: Path | None
) -> None:
    """Put the rules, and what takes them back, where they were asked for: a file, a folder, or standard output."""
    from fwlens.emit import emit, platforms_of

    is_folder = output is not None and (output.endswith(("/", os.sep)) or Path(output).is_dir())
    platforms = platforms_of(recommendations, form)
    if len(platforms) > 1 and not is_folder:
        names = " and ".join(platforms)
        raise FwlensError(
            f"There are rules for {names}, and one {form} is for one of them: write all into a folder (-o rules/), or "
            "take --format json and give the answer to `fwlens emit --platform`."
        )
    with wrong_usage():
        if rollback is not None and output is not None and rollback.resolve() == Path(output).resolve():
            raise FwlensError("--rollback names the file of the rules themselves: name another one.")
    written = emit(recommendations, form, place)
    if not written:
        is_old = output is not None and not is_folder and Path(output).exists()
        say("fwlens: no rules, so nothing was written" + (f"; {output} is from an earlier run." if is_old else "."))
    elif output is not None and is_folder:
        _write_folder(written, Path(output), rollback)
    else:
        taken_back = [(written[0].undo, rollback)] if rollback is not None else []
        if output is not None:
            put_all([*taken_back, (written[0].text, Path(output))])
        else:
            put_all(taken_back)  # rules are never there without what takes them back
            put(written[0].text.encode(), None)
    for each in written:
        tell(each.remarks)


def handed_back(unsaid: Sequence["Unsaid"]) -> Iterator[str]:
    """What the platform cannot hold and the written rules leave out, one line per reason."""
    reasons: dict[str, int] = {}
    for one in unsaid:
        why = f"{one.platform}: {one.requirement}: {one.why}"
        reasons[why] = reasons.get(why, 0) + 1
    for why, flows in reasons.items():
        yield f"{flows} blocked conversation{'s' if flows > 1 else ''} left out, {why}."


def _write_folder(written: Sequence["Text"], folder: Path, rollback: Path | None) -> None:
    if rollback is not None:
        raise FwlensError("In a folder, what takes rules back is written beside them: leave out --rollback.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FwlensError(f"{folder}: cannot be made ({error.strerror}). Choose another place with -o.") from None
    texts = [((each.undo, folder / each.undo_name), (each.text, folder / each.file_name)) for each in written]
    put_all(chain.from_iterable(texts))
    for each in written:
        say(f"fwlens: wrote {folder / each.file_name} and {folder / each.undo_name}.")
