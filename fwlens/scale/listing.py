"""Knows what lies behind an input, as Spark finds it: places of this machine by name, URIs as Spark's own matter."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fwlens import source
from fwlens.ledger import Share
from fwlens.scale import share
from fwlens.scale.share import Asked
from fwlens.source import files
from fwlens.source.files import Input

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

EXPORT: Final = "Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet."
_NOTHING: Final = "the folder holds no files. Name a folder or file with exported logs."
_BLOBS: Final = "binaryFile"
_REMOTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


@dataclass(frozen=True, slots=True)
class Listing:
    """The inputs as Spark is to open them, what Spark found there, and what is not there."""

    paths: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]
    asked: Asked
    faults: tuple[str, ...]
    shares: tuple[Share, ...]


def is_remote(place: str) -> bool:
    """Whether a place is Spark's own matter: a URI."""
    return bool(_REMOTE.match(place))


def listed(spark: "SparkSession", logs: Sequence[str], asked: Asked) -> Listing:
    """What lies behind the inputs. A place on this machine is found as other commands find it, and keeps its name."""
    places = dict(place for log in logs for place in _places(log))
    names = tuple(sorted(((theirs, given) for theirs, given in places.items() if theirs != given), reverse=True))
    asked = replace(asked, names=names)
    found, missing = _sizes(spark, [*places])
    labels = {label_of(share.shown(asked, path)) for path, _ in found}
    passed = [each for theirs, given in places.items() for each in _passed_over(theirs, given, labels, missing)]
    alone = len(found) + len(passed) == 1
    return Listing(
        paths=tuple(theirs for theirs in places if theirs not in missing),
        sizes=tuple(found),
        asked=replace(asked, named=frozenset(places.values()), alone=alone and not passed),
        faults=tuple(fault for _, fault, named in passed if named or alone),
        shares=tuple(Share(label, frozenset(), 0, 0, ((reason, 0, 1),)) for (label, reason), _, _ in passed),
    )


def _passed_over(
    theirs: str, given: str, labels: set[str], missing: set[str]
) -> Iterator[tuple[tuple[str, str], str, bool]]:
    """The files and folders behind an input that Spark did not list: each with the reason, what is to be told, and
    whether it is told of a file that nobody named."""
    label = label_of(given)
    if theirs in missing:
        said = f"{label}: cannot be read (No such file or directory). Check the path and its permissions."
        yield (label, source.FORBIDDEN), said, True
    elif _REMOTE.match(theirs):
        if not labels:
            yield (label, source.NO_FILES), f"{label}: {_NOTHING}", True
    else:
        for place in files.inputs([given]):
            path = Path(place.path)
            if place.label in labels:
                continue
            if path.is_dir():
                yield (place.label, source.NO_FILES), f"{place.label}: {_NOTHING}", place.named
            elif path.exists() and not path.stat().st_size:
                yield (place.label, source.EMPTY), f"{place.label}: is empty. {EXPORT}", place.named
            else:
                said = f"{place.label}: Spark passes over it, as over all names that begin with _. Name it otherwise."
                yield (place.label, source.FORBIDDEN), said, True


def _places(log: str) -> list[tuple[str, str]]:
    """The places behind an input, each as Spark calls it and as a person does. A URI is Spark's own matter."""
    log = share.local(log)
    if _REMOTE.match(log):
        return [(log.rstrip("/"), log.rstrip("/"))]
    path = Path(log)
    matches = [log] if path.exists() else sorted(glob(log, recursive=True)) or [log]  # noqa: PTH207
    return [(str(Path(match).resolve()), match) for match in matches]


def label_of(path: str) -> str:
    """A path as it is shown and cited."""
    return Input(path, named=True).label


def spelled(path: str) -> str:
    """A place as Spark opens it: in a path of this machine no character is a pattern."""
    if not path.startswith("/"):
        return path
    return "file:" + "".join(f"\\{char}" if char in "\\{}[]*?" else char for char in path)


def _sizes(spark: "SparkSession", paths: list[str]) -> tuple[list[tuple[str, int]], set[str]]:
    """All files with their sizes, and the inputs that are not there, which are looked for only if one is missing."""
    from pyspark.errors import AnalysisException

    if not paths:
        return [], set()
    try:
        listed = blobs(spark, paths).select("path", "length").collect()
        return [(row["path"], row["length"]) for row in listed], set()
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error) and "Path does not exist" not in str(error):
            raise
    if len(paths) == 1:
        return [], {paths[0]}
    half = len(paths) // 2
    (left, gone), (right, lost) = _sizes(spark, paths[:half]), _sizes(spark, paths[half:])
    return left + right, gone | lost


def blobs(spark: "SparkSession", paths: Sequence[str]) -> "DataFrame":
    """Blobs and their contents. One that is damaged or gone by then is passed over, and missed afterwards."""
    reader = spark.read.format(_BLOBS).option("recursiveFileLookup", True)
    return reader.option("ignoreCorruptFiles", True).option("ignoreMissingFiles", True).load([*map(spelled, paths)])
