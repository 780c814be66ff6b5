"""Knows which of the logs that a person names lie elsewhere than on this machine, and what to read of them."""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Final, NoReturn

from fwlens.errors import FwlensError
from fwlens.flow import Span
from fwlens.source import files
from fwlens.source.files import Input

_BLOBS: Final = re.compile(r"(?:https?|abfss?|wasbs?)://", re.IGNORECASE)


def inputs(logs: Iterable[str], span: Span, tenant: str | None, stay: ExitStack) -> Iterator[Input]:
    """All places to read: those of this machine, then blobs, each once and within reach as long as `stay` is open.

    Where blobs cannot be listed, or none is there for the span, the address itself is a place: reading it says why.
    """
    every = list(logs)
    yield from files.inputs(log for log in every if not _BLOBS.match(log))
    if addresses := [log for log in every if _BLOBS.match(log)]:
        from fwlens.source import bloburl, storage  # what an outage with files need not load

        reached = stay.enter_context(storage.Storage(tenant))
        found: dict[str, storage.Blob] = {}
        for address in addresses:
            try:
                blobs = reached.listed(address, span.since, span.until)
            except FwlensError as error:
                yield Input(bloburl.shown(address), named=True, fetch=partial(_raise, error))
            else:
                found |= {blob.label: blob for blob in blobs if blob.named or blob.label not in found}
        yield from reached.inputs(found.values())


def _raise(error: FwlensError) -> NoReturn:
    raise error
