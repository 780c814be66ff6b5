"""Knows how to fetch ahead: what will be asked for next comes in by several threads while something else is parsed.

What is held is bounded by bytes: the next thing is begun only while all that was begun and not yet taken stays below
a budget. Who asks is always served, also out of order, twice, or for more than the budget holds.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from threading import Lock

Piece = Callable[[], bytes]
"""Fetches one part of a thing."""


@dataclass(slots=True)
class Ahead:
    """Things in the order in which they will be asked for: the size of each in bytes, and its pieces by its number."""

    sizes: Sequence[int]
    pieces: Callable[[int], Sequence[Piece]]
    budget: int
    pool: Executor
    held: int = 0
    _next: int = 0
    _coming: dict[int, list[Future[bytes]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, number: int) -> list[bytes]:
        """All pieces of one thing. Raises what fetching a piece raised."""
        with self._lock:
            if number not in self._coming:
                self._begin(number)
            coming = self._coming.pop(number)
            self._fill()
        try:
            return [piece.result() for piece in coming]
        finally:
            for piece in coming:
                piece.cancel()
            with self._lock:
                self.held -= self.sizes[number]
                self._fill()

    def _begin(self, number: int) -> None:
        self.held += self.sizes[number]
        self._next = max(self._next, number + 1)
        self._coming[number] = [self.pool.submit(piece) for piece in self.pieces(number)]

    def _fill(self) -> None:
        """Begin what comes next while there is room."""
        while self._next < len(self.sizes) and self.held + self.sizes[self._next] <= self.budget:
            self._begin(self._next)
