import signal
from collections.abc import Iterator

import pytest

from tests.azurite import Azurite, Relay, relayed, started


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """The emulator of Azure Storage, one for all tests of a process."""
    with started(tmp_path_factory.mktemp("azurite")) as emulator:
        yield emulator


@pytest.fixture
def relay(azurite: Azurite) -> Iterator[Relay]:
    """What stands before the emulator and sees every request."""
    with relayed(azurite) as open_one:
        yield open_one


@pytest.fixture
def heeded() -> Iterator[None]:
    """Ctrl-C wakes what waits, as the command line has it do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
