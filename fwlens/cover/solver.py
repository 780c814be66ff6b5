"""Knows HiGHS (https://highs.dev), which solves covers as integer programs and prices them by linear ones.

Its limits are counted in nodes, not in seconds, so that the same input gives the same answer on a slow machine; the
limit in seconds is only a net.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import highspy
import numpy as np
from numpy.typing import NDArray

from fwlens.cover.reach import Bits, Numbers
from fwlens.cover.solve import Choice

_SECONDS: Final = 60.0
_OPTIONS: Final = {"output_flag": False, "threads": 1, "random_seed": 0, "time_limit": _SECONDS}
_WHOLE: Final = {"mip_rel_gap": 0.0, "mip_abs_gap": 0.99}
_PROOF: Final = {
    "mip_allow_restart": False,
    "mip_heuristic_effort": 0.0,
    "mip_heuristic_run_feasibility_jump": False,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
}
"""For who looks for a proof: no time goes into guesses."""
_MORE: Final = 600
"""So many boxes join a linear program at a time."""
_DUAL, _PRIMAL = 1, 4
"""Simplex methods: one goes on from where it was after more was demanded, the other after boxes joined."""
_EXACT: Final = 1e-7
_TIGHT: Final = 1e-5
_DIGITS: Final = 9
"""Sums of floats may differ in the last digits from machine to machine; nothing is chosen by these."""


class _Silent(highspy.Highs):
    """HiGHS introduces itself on standard output at the first call that is not about options. Since 1.16 that one is
    made while an object is being made, before anyone could turn it off; standard output is for the answer alone."""

    def enableCallbacks(self) -> None:  # noqa: N802 - its name
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()  # type: ignore[no-untyped-call]


def _solver(options: dict[str, Any]) -> Any:
    model: Any = _Silent()  # type: ignore[no-untyped-call]
    for name, value in {**_OPTIONS, **options}.items():
        model.setOptionValue(name, value)
    return model


def choose(reached: Bits, costs: Sequence[int], *, nodes: int) -> Choice:
    """Pick boxes so that each need is reached, at the least cost."""
    model = _solver(_WHOLE | {"mip_max_nodes": nodes})
    model.passModel(_program(reached, np.ones(reached.shape[1]), costs))
    model.run()
    proven = model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return Choice(_chosen(model), float(model.getInfo().mip_dual_bound), proven)


@dataclass(frozen=True, slots=True)
class Fewer:
    """Boxes, if that few were found, and whether that few are proven to be too few."""

    chosen: Numbers | None
    refuted: bool


def fewer(rows: Bits, least: NDArray[np.float64], most: int, *, nodes: int) -> Fewer:
    """Look for at most so many boxes that have of each row at least `least`, or prove that there are none.

    To ask for a number is far easier than to ask for the fewest: whatever takes more is out of the question at once.
    """
    boxes = len(rows)
    model = _solver(_WHOLE | _PROOF | {"mip_max_nodes": nodes})
    model.passModel(_program(rows, least, np.ones(boxes)))
    model.addRow(-highspy.kHighsInf, float(most), boxes, np.arange(boxes, dtype=np.int32), np.ones(boxes))
    model.run()
    is_found = model.getInfo().primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    none = model.getModelStatus() in (
        highspy.HighsModelStatus.kInfeasible,
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    )
    return Fewer(np.array(_chosen(model), np.int64) if is_found else None, none)


def _program(rows: Bits, least: NDArray[np.float64], costs: Sequence[int] | NDArray[np.float64]) -> Any:
    boxes, needs = rows.shape
    lp: Any = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = boxes, needs
    lp.col_cost_ = np.array(costs, float)
    lp.col_lower_, lp.col_upper_ = np.zeros(boxes), np.ones(boxes)
    lp.row_lower_, lp.row_upper_ = least, np.full(needs, highspy.kHighsInf)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(rows.sum(axis=1))])
    lp.a_matrix_.index_ = np.nonzero(rows)[1]
    lp.a_matrix_.value_ = np.ones(int(rows.sum()))
    lp.integrality_ = [highspy.HighsVarType.kInteger] * boxes
    return lp


def _chosen(model: Any) -> tuple[int, ...]:
    return tuple(int(j) for j in np.flatnonzero(np.array(model.getSolution().col_value) > 0.5))


def whole(bound: float) -> int:
    """A bound on a whole number, rounded up past the solver's tolerance; 1 where nothing was proven in time."""
    return ceil(max(1.0, bound - 1e-6))


class Relaxed:
    """The linear relaxation: how much of each box the cheapest mixture takes. The solver holds only those boxes that
    its prices have asked for; the others are priced here, so that the bound is one for all boxes.
    """

    def __init__(self, reached: Bits) -> None:
        self._reached = reached
        self._needs = np.nonzero(reached)[1].astype(np.int32)  # of all boxes, one after the other
        sizes = reached.sum(axis=1)
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._demanded: list[Bits] = []
        self._model = _solver({})
        self._least = [1.0] * reached.shape[1]
        for _ in self._least:
            self._model.addRow(1.0, highspy.kHighsInf, 0, [], [])
        self._held: list[int] = []
        self._hold(sorted({int(np.where(column, sizes, 0).argmax()) for column in reached.T}))
        self.bound = 0.0
        self.weights = np.zeros(len(reached))
        self.solve()

    @property
    def held(self) -> Numbers:
        """The boxes that were asked for."""
        return np.array(sorted(self._held), np.int64)

    def demand(self, boxes: Bits, least: int) -> None:
        """Of these boxes any cover has so many."""
        self._demanded.append(boxes)
        self._least.append(float(least))
        held = np.flatnonzero(boxes[self._held]).astype(np.int32)
        self._model.addRow(float(least), highspy.kHighsInf, len(held), held, np.ones(len(held)))

    def demands(self) -> tuple[Bits, NDArray[np.float64]]:
        """Boxes x rows, the needs and of what was demanded what the weights only just have; and the least of each."""
        needs = self._reached.shape[1]
        have = [float(self.weights[boxes].sum()) for boxes in self._demanded]
        tight = [i for i, weight in enumerate(have) if weight < self._least[needs + i] + _TIGHT]
        rows = np.column_stack([self._reached, *(self._demanded[i] for i in tight)])
        return rows, np.array([*self._least[:needs], *(self._least[needs + i] for i in tight)])

    def solve(self) -> None:
        """Bring the bound and the weights up to date."""
        self._model.setOptionValue("simplex_strategy", _DUAL)
        while True:
            self._model.run()
            if self._model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                return  # out of time: what was proven before holds
            prices = np.maximum(self._model.getSolution().row_dual, 0.0)
            asked = np.round(self._worth(prices), _DIGITS)
            # Prices scaled so that no box is worth more than it costs prove a bound, whatever the solver's tolerance.
            self.bound = max(self.bound, float(prices @ self._least) / max(1.0, float(asked.max())))
            asked[self._held] = 0.0
            more = np.flatnonzero(asked > 1 + _EXACT)
            if not len(more):
                break
            self._hold([int(j) for j in more[np.argsort(-asked[more], kind="stable")][:_MORE]])
            self._model.setOptionValue("simplex_strategy", _PRIMAL)
        self.weights = np.zeros(len(self._reached))
        self.weights[self._held] = np.round(self._model.getSolution().col_value, _DIGITS)

    def _worth(self, prices: NDArray[np.float64]) -> NDArray[np.float64]:
        worth: NDArray[np.float64] = np.add.reduceat(prices[self._needs], self._starts)
        for boxes, price in zip(self._demanded, prices[self._reached.shape[1] :], strict=True):
            if price:
                worth += price * boxes
        return worth

    def _hold(self, boxes: Sequence[int]) -> None:
        for box in boxes:
            rows = [*np.flatnonzero(self._reached[box]), *self._beyond(box)]
            self._model.addCol(1.0, 0.0, highspy.kHighsInf, len(rows), np.array(rows, np.int32), np.ones(len(rows)))
        self._held += boxes

    def _beyond(self, box: int) -> list[int]:
        needs = self._reached.shape[1]
        return [needs + i for i, boxes in enumerate(self._demanded) if boxes[box]]
