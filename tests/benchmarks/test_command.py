"""`python -m benchmarks`, and one small row from its start to its files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.catalogue import NoSuchMeasurement, chosen, measurements

ROWS_OF_BEFORE = ("beat", "round_trip", "http_adapter", "api_worker", "sandbox", "bookkeeping", "creation")
ROWS_OF_BEFORE += ("listing", "bulk", "streams", "memory")


def test_the_list_names_every_row_its_question_and_its_sides(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    printed = "".join(capsys.readouterr().out.split())
    for row in measurements().values():
        words = [f"{row.name}:", row.question, *(side.setup for side in row.sides)]
        assert [word for word in words if "".join(word.split()) not in printed] == []


def test_every_row_has_a_baseline_or_a_target_and_enough_rounds() -> None:
    for row in measurements().values():
        assert row.baselines or any(figure.targets for figure in row.figures), row.name
        sides = {side.name for side in row.baselines}
        assert {target.baseline for figure in row.figures for target in figure.targets} <= sides | {""}, row.name
        assert len({side.name for side in row.sides}) == len(row.sides), row.name


@pytest.mark.parametrize("name", ROWS_OF_BEFORE)
def test_rows_and_groups_are_chosen_by_name(name: str) -> None:
    assert {row.name.partition(".")[0] for row in chosen([name])} == {name}


def test_a_row_is_chosen_once_however_often_it_is_named() -> None:
    assert [row.name for row in chosen(["beat.idle", "beat.idle"])] == ["beat.idle"]


def test_an_unknown_name_is_refused_with_all_names() -> None:
    with pytest.raises(NoSuchMeasurement, match=r"there is no beet; there is .*beat\.dispatch"):
        chosen(["beet"])


def test_a_row_runs_from_its_start_to_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http_adapter.cost", "--quick", "--output", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "http_adapter.cost.json").read_text())
    sides = result["figures"][0]["sides"]
    assert {name: len(found["rounds"]) for name, found in sides.items()} == {"Celeriac": 2, "plain requests": 2}
    assert all(found["median"] > 0 for found in sides.values())
    assert (tmp_path / "http_adapter.cost.svg").read_text().startswith("<svg")
    assert "## What runs on each side" in (tmp_path / "README.md").read_text()
    assert re.search(r"\d targets? missed", capsys.readouterr().out)  # whether one is missed, is for the machine to say
