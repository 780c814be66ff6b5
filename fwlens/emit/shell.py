"""Knows how a script of the Azure CLI is written: variables asked for, every word quoted, one command after another.

https://learn.microsoft.com/cli/azure/use-azure-cli-successfully-quoting
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fwlens.errors import FwlensError


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that says which resource is meant, with what to put in it."""

    name: str
    about: str


def script(about: str, variables: Sequence[Variable], lines: Iterable[str]) -> str:
    """A bash script that stops at the first fault."""
    asked = [f': "${{{one.name}:?{one.about}}}"' for one in variables]
    return "\n".join(["#!/usr/bin/env bash", f"# {about}", "set -euo pipefail", *asked, "", *lines, ""])


def command(words: str, options: Iterable[tuple[str, Sequence[str | Variable]]]) -> str:
    """One command, an option with its values per line; a value that the CLI would not take as it stands is refused."""
    spelled = [" ".join([name, *map(_word, values)]) for name, values in options]
    return " \\\n    ".join([words, *spelled])


def _word(value: str | Variable) -> str:
    if isinstance(value, Variable):
        return f'"${value.name}"'
    if value.startswith("@") or "??" in value or (value.startswith("[") and value.endswith("]")):
        raise FwlensError(f"{value!a} means something else to the Azure CLI.")
    return shlex.quote(value)
