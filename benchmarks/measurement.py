"""What a measurement is: a question, figures, our side, and the baselines that it runs beside.

A row of the table is one `Measurement`, declared in one small file below `benchmarks/rows`. Nothing here runs anything:
`runner.py` starts the sides and interleaves their rounds, `judgement.py` compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S")

QUICK_ROUNDS = 2

#: What one round of a side has found: the figure, or the figures by name where the measurement has several.
Found = float | Mapping[str, float]
#: One round of a side that has started. Its length is the side's own affair.
Round = Callable[[], Found]


class SideAbsent(Exception):
    """A side can't run on this machine. The message says what is missing, and how to get it."""

    @classmethod
    def without(cls, package: str) -> SideAbsent:
        """For want of a package that requirements-dev.txt lists."""
        return cls(f"{package} is not installed: pip install -r requirements-dev.txt")


class Better(StrEnum):
    """Which figures are the better ones."""

    LOWER = "lower"
    HIGHER = "higher"


class By(StrEnum):
    """How a target compares us with a baseline."""

    ITSELF = "itself"  # our figure alone
    RATIO = "ratio"  # our figure divided by that of the baseline
    EXCESS = "excess"  # our figure less that of the baseline
    SAVING = "saving"  # the figure of the baseline divided by ours: how many times better a lower figure is


@dataclass(frozen=True, slots=True)
class Target:
    """A limit for our figure, alone or compared with that of a baseline. `stretch` is a goal beyond it."""

    limit: float
    is_least: bool
    baseline: str = ""
    by: By = By.ITSELF
    stretch: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value, compared as `by` says, keeps the limit."""
        return self._is_within(self.limit, value)

    def holds_stretch(self, value: float) -> bool | None:
        """Whether a value reaches the goal beyond the limit; None if there is none."""
        return None if self.stretch is None else self._is_within(self.stretch, value)

    def _is_within(self, limit: float, value: float) -> bool:
        return value >= limit if self.is_least else value <= limit


def at_least(limit: float, baseline: str = "", by: By | None = None, *, stretch: float | None = None) -> Target:
    """The target of a figure, or of its ratio to a baseline's."""
    return Target(limit, True, baseline, by or (By.RATIO if baseline else By.ITSELF), stretch)


def at_most(limit: float, baseline: str = "", by: By | None = None, *, stretch: float | None = None) -> Target:
    """The target of a figure, or of its ratio to a baseline's."""
    return Target(limit, False, baseline, by or (By.RATIO if baseline else By.ITSELF), stretch)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of each round, and what it should be."""

    unit: str
    better: Better
    targets: Sequence[Target] = ()
    name: str = ""  # the key in `Found`; empty if the measurement has one figure only


@dataclass(frozen=True, slots=True)
class Side(Generic[S]):
    """Something that is measured. `start` starts it and yields its rounds; all sides are up at the same time.

    setup: what exactly runs: program, processes, acknowledgements. Versions are added from `packages`.
    Raises SideAbsent on entering `start` if this machine lacks something.
    """

    name: str
    setup: str
    start: Callable[[S], AbstractContextManager[Round]]
    packages: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that others have published, on their machines: shown, and never compared."""

    name: str
    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Measurement(Generic[S]):
    """A row. `full` and `quick` are what the sides are started with: how much of everything.

    name: `group.name`, or one word; `--only group` takes the whole group.
    """

    name: str
    question: str
    figures: Sequence[Figure]
    ours: Side[S]
    baselines: Sequence[Side[S]]
    full: S
    quick: S
    rounds: int = 5
    warm_up_rounds: int = 1
    published: Sequence[Published] = ()
    is_headline: bool = False  # stands in the short table of the README

    def rounds_of(self, is_quick: bool) -> int:
        """How many rounds count."""
        return min(self.rounds, QUICK_ROUNDS) if is_quick else self.rounds

    @property
    def sides(self) -> list[Side[S]]:
        """Ours first."""
        return [self.ours, *self.baselines]
