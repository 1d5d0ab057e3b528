"""The soak: its lines and verdicts, and a short run from its start to its files."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.__main__ import main
from benchmarks.soak import report
from benchmarks.soak.command import run
from benchmarks.soak.samples import sort_of
from benchmarks.soak.trend import Point, Verdict, fit

SECONDS = 12.0


def line(per_hour: float, noise: float = 0.0, samples: int = 60) -> list[Point]:
    """Samples of ten minutes, from 100 on."""
    dice = random.Random(7)
    return [(x * 10.0, 100 + per_hour * x * 10 / 3600 + dice.gauss(0, noise)) for x in range(samples)]


def test_a_line_is_found_as_it_is() -> None:
    trend = fit(line(36))
    assert (trend.per_hour, trend.at_start, trend.mean) == pytest.approx((36, 100, 102.95), abs=0.01)
    assert trend.high - trend.low < 1e-6


@pytest.mark.parametrize(
    ("per_hour", "noise", "verdict"),
    [
        (0, 0, Verdict.FLAT),
        (0, 0.2, Verdict.FLAT),
        (-50, 0.2, Verdict.FLAT),
        (4, 0.02, Verdict.FLAT),  # less than is allowed
        (30, 0.2, Verdict.GROWS),
        (30, 0, Verdict.GROWS),
        (5, 20, Verdict.UNCLEAR),
    ],
)
def test_the_verdict_looks_at_the_whole_interval(per_hour: float, noise: float, verdict: Verdict) -> None:
    assert fit(line(per_hour, noise)).verdict(5) is verdict


def test_the_interval_holds_the_truth_nearly_always() -> None:
    dice = random.Random(3)
    held = 0
    for _ in range(300):
        trend = fit([(x * 10.0, 100 + x / 36 + dice.gauss(0, 1)) for x in range(48)])  # 10 an hour
        held += trend.low <= 10 <= trend.high
    assert 275 <= held <= 297  # 95 % of 300 are 285


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="a trend needs 12 samples; there are 11"):
        fit(line(0, samples=11))


def test_a_short_run_finds_every_figure_and_no_failed_call(tmp_path: Path) -> None:
    result = run(SECONDS, 10, Console(quiet=True), kept_seconds=2, new_programs=100)
    assert result["errors"] == []
    figures = result["figures"]
    for process in ("API", "API worker", "code worker", "beat", "Redis process", "zygotes", "start.py"):
        for what in ("memory", "threads", "descriptors"):
            assert figures[f"{process} {what}"]["mean"] > 0
    for name in ("Redis memory", "Redis keys", "Redis clients", "data files", "processor", "create p50"):
        assert figures[name]["mean"] > 0
    assert {"create", "stop", "batch", "change", "delete", "list", "read", "put", "round trip"} <= result[
        "calls"
    ].keys()
    assert result["families"]["last"]["t"] < result["calls"]["create"], "retention is at work"
    report.write(result, tmp_path)
    assert json.loads((tmp_path / "soak.json").read_text())["figures"] == figures
    assert (tmp_path / "soak.svg").read_text().count('class="fit"') == len(figures)
    assert (tmp_path / "soak.md").read_text().count("\n| ") == len(figures) + 1


def result_with(verdict: str, errors: list[str]) -> dict[str, object]:
    """The result of a run that has looked at one figure only."""
    figure = {"unit": "MB", "mean": 1.0, "at_start": 1.0, "per_hour": 2.0, "allowed_per_hour": 0.1}
    figure |= {"verdict": verdict, "words": "2 (1 to 3) MB"}
    return {
        "question": "?",
        "setup": "s",
        "measured_at": "2026-11-28",
        "commit": "c",
        "machine": {"cores": 2, "processor": "p", "load_before": 1},
        "versions": {"server": "v"},
        "seconds": 60.0,
        "warm_up_seconds": 15.0,
        "calls": {"create": 1},
        "errors": errors,
        "figures": {"API memory": figure},
        "samples": [{"seconds": 60.0, "figures": {"API memory": 1.0}}],
    }


def test_a_result_with_growth_or_errors_ends_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for verdict, errors, status in (("GROWS", [], 1), ("flat", ["no answer"], 1), ("flat", [], 0), ("unclear", [], 0)):
        made = result_with(verdict, errors)
        monkeypatch.setattr("benchmarks.soak.command.run", lambda *_, made=made: made)
        assert main(["soak", "--minutes", "1", "--output", str(tmp_path)]) == status
    assert "no answer" in capsys.readouterr().out


def test_every_sort_of_figure_says_what_counts_as_flat() -> None:
    assert sort_of("API worker memory").unit == "MB"
    with pytest.raises(KeyError):
        sort_of("something else")
