"""The store of the nights: what was read, what became of every row of it, what was recommended, and how each run ended.

Three Delta tables lie beneath one place, a folder or a data lake. Other tools may read them. `Store` is the one door.
"""

from fwlens.store.account import AFTER, ARRIVED, OUTSIDE, Account, account_of, ledger_of
from fwlens.store.lock import Lock, hold
from fwlens.store.rows import Kept, Run, Taken, digest, name_of
from fwlens.store.tables import Store, is_remote

__all__ = [
    "AFTER", "ARRIVED", "OUTSIDE", "Account", "Kept", "Lock", "Run", "Store", "Taken", "account_of", "digest", "hold",
    "is_remote", "ledger_of", "name_of",
]  # fmt: skip
