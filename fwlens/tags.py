"""Knows service-tag files: Microsoft's weekly JSON of which addresses belong to which service tag.

https://learn.microsoft.com/azure/virtual-network/service-tags-overview
A file is a snapshot of one week, so whatever rests on it names its change number. Tags nest: one address lies in
`Storage.WestEurope`, `Storage`, `AzureCloud.westeurope` and `AzureCloud`. The last two are so wide (half of Azure) that
they never explain a flow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from fwlens import address
from fwlens.errors import FwlensError

TOO_WIDE: Final = "AzureCloud"
ADVICE: Final = (
    "No service-tag file: flows known by address only stay unexplained. Download Microsoft's weekly file "
    "(https://www.microsoft.com/download/details.aspx?id=56519) and pass it with --service-tags."
)
PREFIXES: Final = pl.Schema({"tag": pl.String, "first": pl.UInt128, "last": pl.UInt128})


class _Properties(msgspec.Struct):
    addressPrefixes: list[str]  # noqa: N815 - Microsoft's name
    networkFeatures: list[str] | None = None  # noqa: N815 - Microsoft's name


class _Value(msgspec.Struct):
    name: str
    properties: _Properties


class _File(msgspec.Struct):
    changeNumber: int  # noqa: N815 - Microsoft's name
    cloud: str
    values: list[_Value]


@dataclass(frozen=True, slots=True)
class ServiceTags:
    """One week's snapshot: its change number and cloud, the prefixes as intervals, and where each tag is usable.

    `prefixes` has the columns of `PREFIXES` (numbers as in `address`), `width` the number of addresses of each tag
    (an IPv6 /64 counts as one), `features` the published `networkFeatures` (API, NSG, UDR, FW), which are advice.
    """

    change_number: int
    cloud: str
    prefixes: pl.DataFrame
    width: Mapping[str, float]
    features: Mapping[str, tuple[str, ...]]

    def of(self, numbers: pl.Series) -> pl.DataFrame:
        """Every tag of each distinct address number: `number`, `tag`, `width`, the most specific tag first."""
        addresses = pl.LazyFrame({"number": numbers.unique().drop_nulls()}, schema={"number": pl.UInt128})
        within = (pl.col("number") >= pl.col("first")) & (pl.col("number") <= pl.col("last"))
        width = pl.col("tag").replace_strict(self.width, default=None, return_dtype=pl.Float64)
        return (
            addresses.join_where(self.prefixes.lazy(), within)
            .select("number", "tag", width=width)
            .unique()
            .sort("number", "width", "tag")
            .collect()
        )


def read(path: Path) -> ServiceTags:
    """Read a service-tag file. Raises FwlensError for a file that is missing or of another shape."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FwlensError(f"{path}: the service-tag file cannot be read ({error.strerror}).") from None
    except ValueError as error:  # what can be no path at all
        raise FwlensError(f"{path}: the service-tag file cannot be read ({error}).") from None
    return parse(data, str(path))


def parse(data: bytes, name: str) -> ServiceTags:
    """The content of a service-tag file; `name` stands in the error. Raises FwlensError for another shape."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FwlensError(f"{name}: not a service-tag file as Microsoft publishes it ({error}).") from None
    rows = pl.DataFrame(
        {
            "tag": [value.name for value in file.values],
            "prefix": [value.properties.addressPrefixes for value in file.values],
        },
        schema={"tag": pl.String, "prefix": pl.List(pl.String)},
    ).explode("prefix", empty_as_null=False)
    prefixes = _intervals(rows, name)
    # An IPv6 network of 64 bits is one subnet, whatever lies in it: so both families weigh alike.
    v6 = pl.col("last") >= address.MAPPED + (1 << 32)
    size = (pl.col("last") - pl.col("first") + 1).cast(pl.Float64)
    weight = pl.when(v6).then((size / 2.0**64).ceil()).otherwise(size)
    width = prefixes.group_by("tag").agg(weight.sum().alias("width"))
    features = {value.name: tuple(value.properties.networkFeatures or ()) for value in file.values}
    return ServiceTags(file.changeNumber, file.cloud, prefixes, dict(width.iter_rows()), features)


def _intervals(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    parts = pl.col("prefix").str.splitn("/", 2).struct
    split = rows.select(
        "tag", "prefix", text=parts.field("field_0"), length=parts.field("field_1").cast(pl.Int32, strict=False)
    )
    known = address.parse(split["text"]).select("text", "number")
    bits = pl.when(pl.col("text").str.contains(":", literal=True)).then(128).otherwise(32)
    sizes = {length: 1 << length for length in range(128)}
    values = pl.Series(list(sizes.values()), dtype=pl.UInt128)
    spare = (bits - pl.col("length").fill_null(bits)).replace_strict(list(sizes), values, default=None)
    frame = split.join(known, on="text", how="left").with_columns(size=spare)
    broken = frame.filter(pl.col("number").is_null() | pl.col("size").is_null())
    if broken.height:
        raise FwlensError(f"{name}: {broken['prefix'][0]!r} in tag {broken['tag'][0]} is no network.")
    first = pl.col("number") - pl.col("number") % pl.col("size")
    return frame.select("tag", first=first, last=first + pl.col("size") - 1).cast(PREFIXES)
