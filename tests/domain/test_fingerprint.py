"""Which failures are the same one."""

from __future__ import annotations

import pytest

from app.domain.fingerprint import MAX_MESSAGE_LENGTH, MAX_TYPE_LENGTH, blanked, group_of
from app.domain.outcome import Failure
from app.domain.status import Kind
from tests.cpu_cost import adjusted, cpu_seconds


@pytest.mark.parametrize(
    ("message", "blank"),
    [
        ("no row 12 of 3,000", "no row <n> of <n>"),
        ("took 1.5e-3 s, at most -0.5", "took <n> s, at most <n>"),
        ("at 10:30:07 on host7", "at <n> on host<n>"),
        ("GET https://a.test/b?c=1 said 503", "GET <url> said <n>"),
        ("('http://a.test/x', 4)", "('<url>', <n>)"),
        ("task 0198F3C2-5c1e-7a3b-9f21-3d0c8e6b1a42 is gone", "task <id> is gone"),
        ("<object at 0x7f2a>", "<object at <id>>"),
        ("commit 3f786850e387550f is unknown", "commit <id> is unknown"),
        ("the facade is defaced", "the facade is defaced"),  # letters only: words, not ids
        ("库存 7 不足", "库存 <n> 不足"),
        ("", ""),
    ],
)
def test_numbers_ids_and_urls_are_blanked(message: str, blank: str) -> None:
    assert blanked(message) == blank


def fingerprint(kind: Kind = Kind.CODE, type_: str = "ValueError", message: str = "no row 1", line: int = 3) -> str:
    return group_of(kind, Failure(type_, message, line, f"traceback of {message}")).fingerprint


def test_failures_that_differ_in_what_is_blanked_are_the_same() -> None:
    assert fingerprint(message="no row 1") == fingerprint(message="no row 222")


def test_failures_that_differ_otherwise_are_not() -> None:
    different = [
        fingerprint(),
        fingerprint(Kind.API),
        fingerprint(type_="KeyError"),
        fingerprint(message="no column 1"),
        fingerprint(line=4),
    ]
    assert len(set(different)) == len(different)


def test_a_fingerprint_stays_the_same_between_versions() -> None:
    """Fingerprints are stored: after an update, the same failure must belong to the same group."""
    assert fingerprint() == "3fc264f72ad3c0cd"


def test_what_is_kept_of_a_failure_is_bounded() -> None:
    group = group_of(Kind.CODE, Failure("E" * 1_000, "m" * 4_000))
    assert (len(group.type), len(group.message), len(group.fingerprint)) == (MAX_TYPE_LENGTH, MAX_MESSAGE_LENGTH, 16)


@pytest.mark.parametrize("piece", ["a", "0", "f0", "1.", "-1e", "a://", "0x", "01234567-", "a.+-"])
def test_a_hostile_message_takes_no_longer_than_its_length(piece: str) -> None:
    message = piece * (4_000 // len(piece))
    assert adjusted(cpu_seconds(lambda: [blanked(message) for _ in range(10)]), 0.5) < 0.5
