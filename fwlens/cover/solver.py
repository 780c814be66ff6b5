"""Knows HiGHS (https://highs.dev), which solves covers as integer programs and prices them by linear ones.

Its limits are counted in nodes, not in seconds, so that the same input gives the same answer on a slow machine; the
limit in seconds is only a net.
"""

from collections.abc import Sequence
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
_BOUND_ONLY: Final = {
    "mip_heuristic_effort": 0.0,
    "mip_heuristic_run_feasibility_jump": False,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_pscost_minreliable": 0,
}
"""For who brings a cover along: no time goes into looking for one, and little into the choice of a branch."""
_MORE: Final = 300
"""So many boxes join a linear program at a time."""
_EXACT: Final = 1e-7
_DIGITS: Final = 9
"""Sums of floats may differ in the last digits from machine to machine; nothing is chosen by these."""


def _solver(options: dict[str, Any]) -> Any:
    model: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in {**_OPTIONS, **options}.items():
        model.setOptionValue(name, value)
    return model


def choose(
    reached: Bits, costs: Sequence[int] | None = None, *, nodes: int, known: Numbers | None = None,
    least: NDArray[np.float64] | None = None,
) -> Choice:  # fmt: skip
    """Pick boxes so that each need is reached by one (or by `least` of them), at the least cost.

    `known` is a choice to begin with: then nothing but a proof, or a better one, is looked for.
    """
    boxes, needs = reached.shape
    model = _solver(_WHOLE | {"mip_max_nodes": nodes} | ({} if known is None else _BOUND_ONLY))
    lp: Any = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = boxes, needs
    lp.col_cost_ = np.ones(boxes) if costs is None else np.array(costs, float)
    lp.col_lower_, lp.col_upper_ = np.zeros(boxes), np.ones(boxes)
    lp.row_lower_, lp.row_upper_ = np.ones(needs) if least is None else least, np.full(needs, highspy.kHighsInf)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(reached.sum(axis=1))])
    lp.a_matrix_.index_ = np.nonzero(reached)[1]
    lp.a_matrix_.value_ = np.ones(int(reached.sum()))
    lp.integrality_ = [highspy.HighsVarType.kInteger] * boxes
    model.passModel(lp)
    if known is not None:
        begun: Any = highspy.HighsSolution()
        begun.col_value = [float(value) for value in np.isin(np.arange(boxes), known)]
        model.setSolution(begun)
    model.run()
    info: Any = model.getInfo()
    values = np.array(model.getSolution().col_value)
    chosen = tuple(int(j) for j in np.flatnonzero(values > 0.5))
    proven = model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return Choice(chosen, float(info.mip_dual_bound), proven)


def whole(bound: float) -> int:
    """A bound on a whole number, rounded up past the solver's tolerance; 1 where nothing was proven in time."""
    return ceil(max(1.0, bound - 1e-6))


class Relaxed:
    """The linear relaxation: how much of each box the cheapest mixture takes. The solver holds only those boxes that
    its prices have asked for; the others are priced here, so that the bound is one for all boxes.
    """

    def __init__(self, reached: Bits) -> None:
        self._rows: Any = reached.astype(np.float32)
        self._model = _solver({})
        self._least = [1.0] * reached.shape[1]
        for _ in self._least:
            self._model.addRow(1.0, highspy.kHighsInf, 0, [], [])
        self._held: list[int] = []
        sizes = reached.sum(axis=1)
        self._hold(sorted({int(np.where(column, sizes, 0).argmax()) for column in reached.T}))
        self.bound = 0.0
        self.weights = np.zeros(len(reached))
        self.solve()

    def demand(self, boxes: Bits, least: int) -> None:
        """Of these boxes any cover has so many."""
        self._rows = np.column_stack([self._rows, boxes.astype(np.float32)])
        self._least.append(float(least))
        inside = np.flatnonzero(boxes[self._held]).astype(np.int32)
        self._model.addRow(float(least), highspy.kHighsInf, len(inside), inside, np.ones(len(inside)))

    def demands(self) -> tuple[Bits, NDArray[np.float64]]:
        """Boxes x rows, needs first and then what was demanded; and the least of each row."""
        return self._rows > 0, np.array(self._least)

    def solve(self) -> None:
        """Bring the bound and the weights up to date."""
        while True:
            self._model.run()
            if self._model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                return  # out of time: what was proven before holds
            prices = np.maximum(self._model.getSolution().row_dual, 0.0)
            asked = np.round(self._rows @ prices, _DIGITS)
            # Prices scaled so that no box is worth more than it costs prove a bound, whatever the solver's tolerance.
            self.bound = max(self.bound, float(prices @ self._least) / max(1.0, float(asked.max())))
            asked[self._held] = 0.0
            more = np.flatnonzero(asked > 1 + _EXACT)
            if not len(more):
                break
            self._hold([int(j) for j in more[np.argsort(-asked[more], kind="stable")][:_MORE]])
        self.weights = np.zeros(len(self._rows))
        self.weights[self._held] = np.round(self._model.getSolution().col_value, _DIGITS)

    def _hold(self, boxes: Sequence[int]) -> None:
        for box in boxes:
            rows = np.flatnonzero(self._rows[box]).astype(np.int32)
            self._model.addCol(1.0, 0.0, highspy.kHighsInf, len(rows), rows, np.ones(len(rows)))
        self._held += boxes
