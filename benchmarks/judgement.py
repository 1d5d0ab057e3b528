"""What the rounds say about the targets. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import series
from benchmarks.measurement import By, Figure, Measurement, Target
from benchmarks.series import Series


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target of one figure. `compared` is None if the baseline was not measured; then nothing holds or fails."""

    target: Target
    compared: Series | None

    @property
    def holds(self) -> bool | None:
        """Whether the median keeps the limit."""
        return None if self.compared is None else self.target.holds(self.compared.median)

    @property
    def holds_stretch(self) -> bool | None:
        """Whether the median keeps the goal beyond the limit; None if there is none."""
        return None if self.compared is None else self.target.holds_stretch(self.compared.median)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that a run of a measurement has found.

    rounds: figure's name -> side's name -> its rounds; sides that were absent or failed are missing.
    """

    measurement: Measurement[Any]
    rounds: Mapping[str, Mapping[str, Series]]
    absent: Mapping[str, str]  # side -> what is missing
    failed: Mapping[str, str]  # side -> the error
    seconds: float

    def series(self, figure: Figure, side: str) -> Series | None:
        """The rounds of a figure of one side."""
        return self.rounds.get(figure.name, {}).get(side)

    def ours(self, figure: Figure) -> Series | None:
        """The rounds of our side."""
        return self.series(figure, self.measurement.ours.name)

    def verdicts(self, figure: Figure) -> Iterator[Verdict]:
        """One for each target of the figure, in their order."""
        for target in figure.targets:
            yield Verdict(target, self._compared(figure, target))

    def ratio(self, figure: Figure, side: str) -> Series | None:
        """Ours divided by a side's, round by round."""
        ours, theirs = self.ours(figure), self.series(figure, side)
        return None if ours is None or theirs is None else series.ratio(ours, theirs)

    @property
    def misses(self) -> int:
        """How many targets are missed."""
        verdicts = [verdict for figure in self.measurement.figures for verdict in self.verdicts(figure)]
        return sum(verdict.holds is False for verdict in verdicts)

    def _compared(self, figure: Figure, target: Target) -> Series | None:
        ours = self.ours(figure)
        if ours is None or target.by is By.ITSELF:
            return ours
        theirs = self.series(figure, target.baseline)
        if theirs is None:
            return None
        if target.by is By.EXCESS:
            return series.excess(ours, theirs)
        return series.ratio(ours, theirs) if target.by is By.RATIO else series.ratio(theirs, ours)
