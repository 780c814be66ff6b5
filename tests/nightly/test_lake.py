"""A store in a data lake: Azurite stands for it, and the tables' own library reaches it as it reaches Azure.

What is not tried here is Azure's own: names of accounts in addresses, the hierarchy of folders, roles.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fwlens.errors import FwlensError
from fwlens.source.lake import opened
from fwlens.store import Store
from tests import azurite
from tests.nightly.lake import lake
from tests.nightly.test_store import flows, taken
from tests.nightly.world import DOCKER, PYPI, read, seen

URI = "abfss://nights@devstoreaccount1.dfs.core.windows.net/fwlens"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    started = azurite.started(tmp_path_factory.mktemp("azurite"))
    with started as server, server.container("nights"), lake(server) as address:
        yield address


@pytest.fixture
def there(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment in which the tables' library takes Azurite for the account of the address."""
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", address)
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.usefixtures("there")
def test_a_store_in_a_lake_is_opened_by_a_token_of_who_runs_this(monkeypatch: pytest.MonkeyPatch) -> None:
    issued: list[str] = []
    with azurite.identity(issued) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with opened({}, "public", None, time.time) as options:
            store = Store(f"{URI}/token", options)
            store.put("s", 1, [taken("a", [seen(PYPI, 1)])])
            store.put("s", 2, [taken("a", [seen(PYPI, 1)]), taken("b", [seen(DOCKER, 2)])])
            again = Store(f"{URI}/token", options)
            assert flows(again).equals(read([seen(PYPI, 1), seen(DOCKER, 2)]))
            assert again.progress("s") == 2
    assert issued == ["https://storage.azure.com"]


@pytest.mark.usefixtures("there")
def test_a_key_in_the_environment_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", azurite.KEY)
    with opened({"AZURE_STORAGE_ACCOUNT_KEY": azurite.KEY}, "public", None, time.time) as options:
        assert options() == {}
        one, two = Store(f"{URI}/key", options), Store(f"{URI}/key", options)
        one.put("s", 1, [taken("a", [seen(PYPI, 1)])])
        assert (two.progress("s"), one.progress("s")) == (1, 1)
        one.put("s", 2, [taken("b", [seen(DOCKER, 1)])])
        with pytest.raises(FwlensError, match="another run wrote to the store at the same time"):
            two.put("s", 2, [taken("b", [seen(DOCKER, 1)])])
        assert flows(Store(f"{URI}/key", options)).equals(read([seen(PYPI, 1), seen(DOCKER, 1)]))


@pytest.mark.usefixtures("there")
def test_a_lake_that_refuses_is_told_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "c2VjcmV0" * 8
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", key)
    with pytest.raises(FwlensError) as told:
        Store(f"{URI}/refused", dict).inputs()
    assert str(told.value).startswith(f"{URI}/refused: the store cannot be read (")
    assert key not in str(told.value)
    assert len(str(told.value)) < 400
    assert str(told.value).isprintable()


def test_a_new_token_opens_the_tables_again_and_another_writer_is_still_seen(tmp_path: Path) -> None:
    tokens = iter("aabbcc")
    one = Store(str(tmp_path / "store"), lambda: {"anything": next(tokens, "d")})
    one.put("s", 1, [taken("a", [seen(PYPI, 1)])])
    one.put("s", 2, [taken("b", [seen(DOCKER, 1)])])
    Store(str(tmp_path / "store")).put("s", 3, [taken("c", [])])
    with pytest.raises(FwlensError, match="another run wrote to the store at the same time"):
        one.put("s", 4, [taken("d", [])])
