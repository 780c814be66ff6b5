"""Knows what becomes of a configuration: where to ask, what is asked for, where rules go; and which of it cannot be.

A night makes what it needs of these, and `unsound` makes each part alone, so that what would stop a night is known of
a configuration before anything is read. What may come later (a folder with logs, a store) may be missing.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from fwlens.config import Settings
    from fwlens.emit import Options
    from fwlens.run import Ask
    from fwlens.source.session import Target

_NO_ACCOUNT: Final = "names no account: write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER."


def target(settings: "Settings") -> "Target":
    """Where to ask Log Analytics."""
    from fwlens.source.session import Target

    return Target(settings.workspace, settings.resource, settings.cloud, settings.tenant, settings.endpoint)


def ask(settings: "Settings") -> "Ask":
    """What is asked of the flows of a look-back."""
    from fwlens.run import Ask

    return Ask(
        logs=(),
        region=settings.region,
        profiles=settings.profile,
        platform=settings.platform,
        service_tags=Path(settings.service_tags) if settings.service_tags else None,
        catalogs=tuple(map(Path, settings.catalog)),
        never_override=settings.never_override,
        with_allowed=settings.with_allowed,
        dns_proxy=settings.dns_proxy,
        subnets=settings.subnet,
        breadth=settings.breadth,
        at_most=settings.at_most,
    )


def place(settings: "Settings") -> "Options":
    """Where the rules go."""
    from fwlens.emit import Options

    taken = frozenset(settings.priority_taken)
    return Options(settings.target, settings.priority_below, taken, settings.ip_groups)


def unsound(settings: "Settings") -> Iterator[tuple[str, str]]:
    """Each option that cannot be used, with why: a value that is none, a file that cannot be read."""
    from fwlens import catalog, emit, run, tags
    from fwlens.cli.emit import idle
    from fwlens.source.session import Target

    one_by_one: dict[str, Callable[[str], object]] = {
        "logs": _log,
        "workspace": lambda text: Target(workspaces=(text,)),
        "resource": lambda text: Target(resources=(text,)),
        "tenant": lambda text: Target(tenant=text),
        "endpoint": lambda text: Target(endpoint=text),
        "store": _store,
        "reports": lambda text: _folder(text, "reports lie in"),
        "service_tags": lambda text: tags.read(Path(text)),
        "catalog": lambda text: catalog.load([Path(text)]),
        "subnet": lambda text: run.Ask((), subnets=(text,)).options,
        "target": emit.Options,
    }
    wrong: set[str] = set()
    for name, check in one_by_one.items():
        for why in _refused(name, _texts(getattr(settings, name)), check):
            wrong.add(name)
            yield name, why
    where = {name: getattr(settings, name) for name in ("target", "priority_below", "priority_taken", "ip_groups")}
    yield from idle(where, None, [settings.platform] if settings.platform else [])
    if "catalog" in wrong:
        return
    try:
        known = catalog.load(map(Path, settings.catalog))
    except FwlensError as error:  # each is right alone
        yield "catalog", str(error)
        return
    for why in _refused("profile", settings.profile, lambda text: run.prove_profiles([text], known)):
        yield "profile", why


def _texts(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else () if value is None else (str(value),)


def _refused(name: str, texts: tuple[str, ...], check: Callable[[str], object]) -> Iterator[str]:
    for text in texts:
        try:
            check(text)
        except FwlensError as error:
            yield str(error).removeprefix(f"--{name.replace('_', '-')} ")


def _log(text: str) -> None:
    """A file or folder may come later; an address has to be one of blobs."""
    from fwlens.source import bloburl
    from fwlens.source.files import STDIN

    if text == STDIN:
        raise FwlensError("standard input cannot be read again tomorrow: name files, folders or blobs.")
    if "://" in text:
        bloburl.parse(text)


def _store(text: str) -> None:
    """The account of a lake stands in its address, or in the environment, where the tables' library looks for it.

    What lies on this machine is a folder.
    """
    said = any(name.startswith("AZURE_") and name.endswith(("ACCOUNT_NAME", "EMULATOR")) for name in os.environ)
    if "://" in text and "@" not in text and not said:
        raise FwlensError(_NO_ACCOUNT)
    if "://" not in text:
        _folder(text, "a store is")


def _folder(text: str, what: str) -> None:
    """A folder may come later, but not where a file is."""
    place = Path(text).absolute()
    with suppress(OSError, ValueError):  # no path at all: making it says so
        there = next(each for each in (place, *place.parents) if each.exists())
        if not there.is_dir():
            raise FwlensError(f"{there} is a file, and {what} a folder. Choose another place.")
