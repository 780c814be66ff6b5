"""Knows what Log Analytics says when it does not answer, and which sentence helps a person out of it.

https://learn.microsoft.com/azure/azure-monitor/logs/api/errors lists some; the others were seen in the wild. Whatever a
server says is hostile: it is shown short, without control characters and without tokens.
"""

import re
from typing import Final

import msgspec

from fwlens.errors import FwlensError

_LONGEST: Final = 160
_SECRET: Final = re.compile(r"(?i)bearer\s+\S+|eyJ[\w.-]{12,}|(?:secret|password|assertion|sig)=\S+")
_UNREADABLE: Final = re.compile(r"[^\x20-\x7e]+")
_CODE: Final = re.compile(r"[^A-Za-z0-9_.-]")
_ENGINE: Final = re.compile(r"\bE_[A-Z_]{4,60}\b")


class _Fault(msgspec.Struct):
    code: str | int | None = None
    message: str | None = None
    innererror: "_Fault | None" = None
    details: "list[_Fault] | None" = None


class _Body(msgspec.Struct):
    error: _Fault | None = None


_DECODER: Final = msgspec.json.Decoder(_Body)


def faults(body: bytes) -> tuple[tuple[str, str], ...]:
    """The codes and messages of an error, outermost first, as the server wrote them; none where it is no error."""
    try:
        found = _DECODER.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    told: list[tuple[str, str]] = []
    waiting = [found]
    while waiting and len(told) < 20:
        fault = waiting.pop(0)
        if fault is not None:
            told.append((str(fault.code or ""), fault.message or ""))
            waiting += [fault.innererror, *(fault.details or [])]
    return tuple(told)


def plain(text: str) -> str:
    """A server's words for a terminal: printable ASCII in one line, short, without tokens."""
    shown = " ".join(_UNREADABLE.sub(" ", _SECRET.sub("***", text)).split())
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 5]}[...]"


def code(told: tuple[tuple[str, str], ...]) -> str:
    """The most telling code of an error: one of the query engine, else the innermost that is a word."""
    for _, message in told:
        if engine := _ENGINE.search(message):
            return engine[0]
    words = [word for word in (_CODE.sub("", code)[:60] for code, _ in told) if re.match("[A-Za-z]", word)]
    return words[-1] if words else "no code"


def unauthorised(where: str, told: tuple[tuple[str, str], ...], clock: str) -> FwlensError:
    """A token that the service does not take. `clock` is what this machine takes the time to be."""
    said = " ".join(message for _, message in told)
    if re.search(r"(?i)not yet valid|lifetime|expired|IDX1022[23]|not before", said):
        return FwlensError(
            f"{where}: the token is not valid at this time ({code(told)}). This machine's clock says {clock}."
        )
    if "audience" in f"{said} {code(told)}".lower():
        return FwlensError(
            f"{where}: the token is for another service ({code(told)}). Is --cloud or --endpoint the right one?"
        )
    return FwlensError(
        f"{where}: the token was refused ({code(told)}). Is --tenant the workspace's tenant, and --cloud its cloud?"
    )


def forbidden(where: str, told: tuple[tuple[str, str], ...], *, is_workspace: bool) -> FwlensError:
    """No permission, which is also what the service says of some workspaces that do not exist."""
    on = "the workspace" if is_workspace else "the resource or its workspace"
    return FwlensError(
        f"{where}: no permission to read its logs ({code(told)}). Assign the role Log Analytics Reader on {on} to who "
        "runs this, and wait: a new role may take an hour. A wrong id or another tenant (--tenant) looks the same."
    )


def not_found(where: str, told: tuple[tuple[str, str], ...], *, is_workspace: bool) -> FwlensError:
    """No such workspace or resource."""
    way = (
        "Workspace ID on the workspace's overview in the portal is what --workspace takes"
        if is_workspace
        else "JSON View on the resource's overview in the portal shows its id"
    )
    return FwlensError(f"{where}: not found ({code(told)}). {way}; --cloud says in which cloud it is.")


def refused(where: str, status: int, told: tuple[tuple[str, str], ...]) -> FwlensError:
    """A query that the service does not take: no retry and no split can mend that."""
    words = plain(told[-1][1]) if told else ""
    said = f": {words}" if words else ""
    return FwlensError(
        f"{where}: the query was refused (HTTP {status}, {code(told)}){said.rstrip('.')}. "
        "--explain prints what is asked: try it in the portal."
    )
