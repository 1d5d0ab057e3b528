"""Numbers, targets and verdicts as people read them. Pure."""

from __future__ import annotations

import math

from benchmarks.judgement import Verdict
from benchmarks.measurement import By, Target
from benchmarks.series import Series


def number(value: float) -> str:
    """Three digits that count: 12,345 · 123 · 12.3 · 1.23 · 0.0123; whole numbers as they are."""
    if not math.isfinite(value):
        return "∞"
    size = abs(value)
    if size >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.{2 - math.floor(math.log10(size))}f}"


def with_unit(value: float, unit: str) -> str:
    """A number with its unit."""
    return f"{number(value)} {unit}".rstrip()


def spread(series: Series, unit: str) -> str:
    """The median, and in brackets the lowest and the highest round."""
    middle = with_unit(series.median, unit)
    return middle if series.low == series.high else f"{middle} ({number(series.low)} to {number(series.high)})"


def target(aim: Target, unit: str) -> str:
    """`≥ 0.5× bare Celery`, `≤ 5 ms`."""
    sign = "≥" if aim.is_least else "≤"
    if aim.by is By.ITSELF:
        words = f"{sign} {aim.limit:,g} {unit}"
    elif aim.by is By.EXCESS:
        words = f"{sign} {aim.baseline} + {aim.limit:,g} {unit}"
    elif aim.by is By.SAVING:
        words = f"{sign} {aim.limit:g}× better than {aim.baseline}"
    else:
        words = f"{sign} {aim.limit:g}× {aim.baseline}"
    return words if aim.stretch is None else f"{words} (stretch {aim.stretch:g})"


def compared(verdict: Verdict, unit: str) -> str:
    """The value that the target looks at."""
    if verdict.compared is None:
        return "–"
    value = verdict.compared.median
    if verdict.target.by in (By.RATIO, By.SAVING):
        return f"{number(value)}×"
    sign = "+" if verdict.target.by is By.EXCESS and value >= 0 else ""
    return sign + with_unit(value, unit)


def verdict(found: Verdict) -> str:
    """Whether the target holds, in a word or two."""
    if found.holds is None:
        return "not measured"
    if found.holds_stretch:
        return "holds, with stretch"
    return "holds" if found.holds else "MISSED"
