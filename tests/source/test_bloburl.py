"""How places in a storage account are written, and what of them is never shown."""

import pytest

from fwlens.errors import FwlensError
from fwlens.source.bloburl import Address, parse, shown

GOVERNMENT, CHINA = "login.microsoftonline.us", "login.chinacloudapi.cn"
WRITE = (
    "Write https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX or "
    "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX."
)


@pytest.mark.parametrize(
    ("log", "address"),
    [
        ("https://acc.blob.core.windows.net/logs", Address("https://acc.blob.core.windows.net", "logs")),
        ("https://ACC.blob.core.windows.net/logs/", Address("https://acc.blob.core.windows.net", "logs")),
        ("https://acc.blob.core.windows.net/logs/a%20b/c#d", Address("https://acc.blob.core.windows.net", "logs", "a b/c#d")),
        ("https://acc.dfs.core.windows.net/logs/a/", Address("https://acc.blob.core.windows.net", "logs", "a/")),
        ("https://acc.z12.blob.storage.azure.net/$web/a", Address("https://acc.z12.blob.storage.azure.net", "$web", "a")),
        ("https://acc.privatelink.blob.core.windows.net/logs", Address("https://acc.privatelink.blob.core.windows.net", "logs")),
        ("abfss://logs@acc.dfs.core.windows.net/a%20b", Address("https://acc.blob.core.windows.net", "logs", "a%20b")),
        ("wasbs://logs@acc.blob.core.windows.net/", Address("https://acc.blob.core.windows.net", "logs")),
        ("https://acc.blob.core.usgovcloudapi.net/logs", Address("https://acc.blob.core.usgovcloudapi.net", "logs", authority=GOVERNMENT)),
        ("abfss://logs@acc.dfs.core.chinacloudapi.cn/a", Address("https://acc.blob.core.chinacloudapi.cn", "logs", "a", authority=CHINA)),
        ("https://acc.blob.core.windows.net/logs/a?sv=1&sig=S", Address("https://acc.blob.core.windows.net", "logs", "a", "sv=1&sig=S")),
        ("http://127.0.0.1:9/devstoreaccount1/logs/a", Address("http://127.0.0.1:9/devstoreaccount1", "logs", "a")),
        ("http://[::1]:9/devstoreaccount1/logs", Address("http://[::1]:9/devstoreaccount1", "logs")),
    ],
)  # fmt: skip
def test_an_address_is_read_in_every_spelling(log: str, address: Address) -> None:
    assert parse(log) == address
    assert parse(address.label + (f"?{address.sas}" if address.sas else "")) == address


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("https://example.org/logs", f"https://example.org/logs: is no storage account of Azure. {WRITE}"),
        ("https://acc.blob.core.windows.net.evil.org/logs?sig=SECRET",
         f"https://acc.blob.core.windows.net.evil.org/logs: is no storage account of Azure. {WRITE}"),
        ("https://acc.blob.core.windows.net/", f"https://acc.blob.core.windows.net/: names no container. {WRITE}"),
        ("https://acc.blob.core.windows.net/L_OGS/a",
         f"https://acc.blob.core.windows.net/L_OGS/a: names no container that Azure allows. {WRITE}"),
        ("http://acc.blob.core.windows.net/logs",
         "http://acc.blob.core.windows.net/logs: would be read without encryption. Write https:// instead of http://."),
        ("https://acc.blob.core.windows.net/logs?SECRET",
         "https://acc.blob.core.windows.net/logs: what follows its '?' is no SAS. Leave it out, or quote the whole address."),
        ("https://me:SECRET@acc.blob.core.windows.net/logs",
         f"https://acc.blob.core.windows.net/logs: holds a user or password, which no storage account takes. {WRITE}"),
        ("abfss://logs:SECRET@acc.dfs.core.windows.net/a",
         f"abfss://acc.dfs.core.windows.net/a: holds a user or password, which no storage account takes. {WRITE}"),
        ("abfss://acc.dfs.core.windows.net/a", f"abfss://acc.dfs.core.windows.net/a: names no container. {WRITE}"),
        ("https://[acc/logs?sig=SECRET", f"https://[acc/logs: is no address. {WRITE}"),
        ("https://a.blob.core.windows.net:x/logs", f"https://a.blob.core.windows.net:x/logs: is no address. {WRITE}"),
        ("https://\x1b[2Jacc/logs", f"https://\N{REPLACEMENT CHARACTER}[2Jacc/logs: is no address. {WRITE}"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_the_way_out_and_without_a_secret(log: str, said: str) -> None:
    with pytest.raises(FwlensError) as raised:
        parse(log)
    assert str(raised.value) == said
    assert "SECRET" not in shown(log)


def test_a_sas_for_one_blob_lists_nothing() -> None:
    assert parse("https://acc.blob.core.windows.net/logs/a?sr=b&sig=S").one_blob
    assert not parse("https://acc.blob.core.windows.net/logs/a?sr=c&sig=S").one_blob


def test_nothing_that_shows_an_address_shows_its_sas() -> None:
    address = parse("https://acc.blob.core.windows.net/logs/a?sr=c&sig=SECRET")
    assert [text for text in (repr(address), str(address), address.label) if "SECRET" in text] == []
