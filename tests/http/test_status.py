"""Expected codes and ranges."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tasks.http import is_expected


@pytest.mark.parametrize(
    ("code", "expected", "verdict"),
    [
        (200, ["2xx"], True),
        (299, ["2xx"], True),
        (300, ["2xx"], False),
        (199, ["2xx"], False),
        (404, ["2xx", 404], True),
        (404, ["2xx", "404"], True),
        (405, ["2xx", 404], False),
        (200, ["200-204"], True),
        (204, ["200-204"], True),
        (205, ["200-204"], False),
        (503, ["5XX"], True),
        (200, [], False),
        (200, ["204-200"], False),  # empty
    ],
)
def test_a_code_is_expected_if_an_item_covers_it(code: int, expected: Sequence[int | str], verdict: bool) -> None:
    assert is_expected(code, expected) is verdict


@pytest.mark.parametrize("item", ["", "2x", "xxx", "6xx", "20", "2000", "200-", "-200", "a-b", "٢٠٠", "200-2xx"])
def test_what_is_neither_code_nor_range_is_an_error(item: str) -> None:
    with pytest.raises(ValueError, match="not a status code"):
        is_expected(200, [item])
