"""Knows how to read the command line of an outage without the library that explains command lines.

Loading that library takes as long as reading a small log. So `fwlens recommend LOG …` with well-formed common options
is read here, and everything else (another command, `--help`, `--x=y`, a value that begins with a dash, whatever is
misspelt) is left to it: a test holds that whatever is read here is read there alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fwlens.cli.words import Breadth, Form, PlatformName
from fwlens.twin import Twin, beside

_FLAGS: Final = {"--with-allowed": "with_allowed", "--dns-proxy": "dns_proxy", "--check": "check"}
_SINGLE: Final = {
    "--region": "region", "--platform": "platform", "--service-tags": "service_tags", "--since": "since",
    "--until": "until", "--breadth": "breadth", "--format": "form", "--output": "output", "-o": "output",
}  # fmt: skip
_MANY: Final = {
    "--profile": "profile", "--catalog": "catalog", "--never-override": "never_override", "--subnet": "subnet",
}  # fmt: skip
_CHOICES: Final = {"platform": PlatformName, "breadth": Breadth, "form": Form}


@dataclass(slots=True)
class Words:
    """The words of a command line by the name of what they say, as they were written."""

    logs: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    single: dict[str, str] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)


def words(line: Sequence[str]) -> Words | None:
    """The words behind the program's name, or None where they are not wholly plain."""
    if not line or line[0] != "recommend":
        return None
    read, left = Words(), list(reversed(line[1:]))
    while left:
        word = left.pop()
        if word in _FLAGS:
            read.flags.add(_FLAGS[word])
        elif word in _SINGLE or word in _MANY:
            if not left or not left[-1] or left[-1].startswith("-"):
                return None
            if word in _MANY:
                read.many.setdefault(_MANY[word], []).append(left.pop())
            elif _SINGLE[word] in read.single:
                return None
            else:
                read.single[_SINGLE[word]] = left.pop()
        elif not word or (word.startswith("-") and word != "-"):
            return None
        else:
            read.logs.append(word)
    known = all(read.single[name] in list(choice) for name, choice in _CHOICES.items() if name in read.single)
    return read if read.logs and known else None


def quick(line: Sequence[str]) -> None:
    """Do what a plain command line asks for and end the process; return at once where it is not plain."""
    read = words(line)
    if read is None:
        return
    code = 0
    with beside(read.logs) as twin:  # it starts while this process still loads what it needs
        try:
            _recommended(read, twin)
        except SystemExit as end:
            code = int(end.code or 0)
    raise SystemExit(code)


def _recommended(read: Words, twin: Twin | None) -> None:
    from fwlens.cli.asking import asked, plainly, shaped

    single, many = read.single, read.many
    output, tags, platform = single.get("output"), single.get("service_tags"), single.get("platform")
    catalogs = [Path(each) for each in many.get("catalog", ())]
    ask = asked(
        read.logs,
        single.get("region"),
        many.get("profile"),
        Path(tags) if tags else None,
        catalogs,
        many.get("never_override"),
        single.get("since"),
        single.get("until"),
        "with_allowed" in read.flags,
    )
    ask = shaped(
        ask,
        PlatformName(platform) if platform else None,
        many.get("subnet"),
        Breadth(single.get("breadth", Breadth.OBSERVED)),
        dns_proxy="dns_proxy" in read.flags,
    )
    as_json = single.get("form") == Form.JSON
    plainly(ask, Path(output) if output else None, as_json=as_json, check="check" in read.flags, twin=twin)
