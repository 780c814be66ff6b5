import os

import pytest
from hypothesis import settings

# Where tests run on several processors each is told the width of a terminal, and what it starts would believe it.
os.environ.pop("COLUMNS", None)
# The same examples in every run, however slow the machine.
settings.register_profile("fwlens", deadline=None, derandomize=True, database=None)
settings.load_profile("fwlens")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew, for review")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew."""
    return bool(request.config.getoption("--update-golden"))
