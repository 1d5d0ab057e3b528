"""What a run writes: JSON, tables, plots and pages."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import pages, plot, results, table
from benchmarks.catalogue import measurements
from benchmarks.judgement import Outcome
from benchmarks.measurement import Better, Figure, Measurement, Published, Side, at_least, at_most
from benchmarks.series import Series

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def nothing(size: int) -> Any:
    raise AssertionError("nothing is started here")


@pytest.fixture
def result() -> results.Result:
    """A row with three sides, of which one is absent, and a published figure."""
    figures = (
        Figure("tasks/s", Better.HIGHER, (at_least(0.5, "bare"), at_least(6.0, "RQ")), "rate"),
        Figure("µs", Better.LOWER, (at_most(100.0),), "CPU"),
    )
    sides = [Side(name, f"{name} with <defaults>", nothing, ("redis",)) for name in ("Celeriac", "bare", "RQ")]
    published = (Published("Windmill", 19.7, "its own page"),)
    row = Measurement(
        "drain", "How fast & well?", figures, sides[0], sides[1:], 1, 1, published=published, is_headline=True
    )
    rounds = {
        "rate": {"Celeriac": Series((400.0, 500.0)), "bare": Series((1000.0, 1000.0))},
        "CPU": {"Celeriac": Series((150.0, 150.0)), "bare": Series((75.0, 75.0))},
    }
    outcome = Outcome(row, rounds, {"RQ": "pip install rq"}, {}, 12.34)
    return results.result_of(outcome, is_quick=False, now=NOW)


def test_a_result_survives_its_file(result: results.Result, tmp_path: Path) -> None:
    results.write(result, tmp_path)
    assert list(results.read(tmp_path, ["other", "drain"])) == [json.loads(json.dumps(result))]


def test_a_result_tells_machine_versions_commit_and_every_round(result: results.Result) -> None:
    assert {"processor", "cores", "memory_gb", "system", "python"} <= result["machine"].keys()
    assert {"celery", "redis", "flask", "server"} <= result["versions"].keys()
    assert re.fullmatch(r"([0-9a-f]{12}\+?)?", result["commit"])
    assert result["figures"][0]["sides"]["Celeriac"]["rounds"] == [400.0, 500.0]
    assert [side["state"] for side in result["sides"]] == ["measured", "measured", "absent: pip install rq"]
    assert result["sides"][1]["versions"].keys() == {"redis"}


def test_verdicts_are_computed(result: results.Result) -> None:
    verdicts = [(target["target"], target["verdict"]) for figure in result["figures"] for target in figure["targets"]]
    assert verdicts == [("≥ 0.5× bare", "MISSED"), ("≥ 6× RQ", "not measured"), ("≤ 100 µs", "MISSED")]


def test_the_table_has_a_line_for_each_target_and_each_other_baseline(result: results.Result) -> None:
    assert [line.cells for line in table.lines(result)] == [
        ("drain · rate", "450 tasks/s (400 to 500)", "bare: 1,000 tasks/s", "≥ 0.5× bare", "0.450×", "MISSED"),
        ("", "", "RQ: absent: pip install rq", "≥ 6× RQ", "–", "not measured"),
        ("drain · CPU", "150 µs", "", "≤ 100 µs", "150 µs", "MISSED"),
        ("", "", "bare: 75 µs", "", "2×", ""),
        ("", "", "RQ: absent: pip install rq", "", "", ""),
        ("", "", "Windmill: 19.7 µs", "", "published: its own page", "not compared"),
    ]


def test_a_plot_is_svg_with_text_as_text_for_light_and_dark(result: results.Result) -> None:
    drawing = plot.plot(result)
    root = ElementTree.fromstring(drawing)
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert {"How fast & well?", "rate", "Celeriac", "450 tasks/s (400 to 500)", "Windmill"} <= set(texts)
    assert "prefers-color-scheme: dark" in drawing
    assert "<script" not in drawing


def test_bars_of_a_plot_are_as_long_as_their_values(result: results.Result) -> None:
    bars = ElementTree.fromstring(plot.plot(result)).findall(f"{SVG}rect")
    widths = [float(bar.attrib["width"]) for bar in bars if bar.attrib["class"] in ("ours", "theirs")]
    assert widths == [pytest.approx(plot.BARS * share, abs=0.1) for share in (0.45, 1.0, 1.0, 0.5)]


def test_the_overview_has_the_first_figure_of_each_result(result: results.Result) -> None:
    root = ElementTree.fromstring(plot.overview([result, {**result, "name": "chain"}]))
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    headings = [text for text in texts if "is better" in text]
    assert headings == ["drain: rate (higher is better)", "chain: rate (higher is better)"]
    assert "CPU" not in texts


def test_nothing_of_a_plot_leaves_its_frame(result: results.Result) -> None:
    root = ElementTree.fromstring(plot.plot(result))
    height = float(root.attrib["height"])
    places = [float(text.attrib["y"]) for text in root.iter(f"{SVG}text")]
    assert 0 < max(places) < height


def test_a_page_quotes_the_results_between_its_marks(result: results.Result) -> None:
    page = f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n"
    updated = pages.with_part(page, pages.short([result]))
    drawing = "![Celeriac beside its baselines](benchmarks/results/headlines.svg)"
    assert updated.startswith(f"before\n{pages.BEGIN}\n{drawing}\n\nMeasured on 2026-11-28")
    assert "| drain · rate | 450 tasks/s (400 to 500) |" in updated
    assert updated.endswith(f"{pages.END}\nafter\n")


def test_results_of_one_day_and_machine_have_one_sentence(result: results.Result) -> None:
    def part(*commits: str) -> str:
        return pages.short([{**result, "commit": commit} for commit in commits])

    assert part("b", "a", "a").count("Measured on 2026-11-28") == 1
    assert " at commits a and b: " in part("b", "a", "a")
    assert " at commits a, b and c: " in part("c", "b", "a")
    assert " at commit unknown: " in part("")


def test_the_readme_shows_only_figures_that_are_judged_or_published(result: results.Result) -> None:
    figures = [*result["figures"], {**result["figures"][1], "name": "memory", "targets": []}]
    part = pages.short([{**result, "published": [], "figures": figures}])
    assert ("drain · CPU" in part, "drain · memory" in part) == (True, False)


def test_a_figure_that_a_side_does_not_have_is_a_dash(result: results.Result) -> None:
    figure = {**result["figures"][1], "sides": {}}
    (line, *_) = table.lines({**result, "published": [], "figures": [figure]})
    assert line.ours == "–"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no part between"):
        pages.with_part("a page", "a part")


@pytest.mark.parametrize(
    ("path", "part"), [*((readme, pages.short) for readme in pages.READMES), (pages.PERFORMANCE, pages.long)]
)
def test_the_docs_quote_the_recorded_results_and_nothing_else(path: Path, part: Any) -> None:
    folder = pages.ROOT / "benchmarks" / "results"
    text = path.read_text()
    assert text == pages.with_part(text, part(list(results.read(folder, list(measurements())))))
