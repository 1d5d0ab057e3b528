"""What names.py says of a name is what the guards do with it."""

from __future__ import annotations

from itertools import combinations

from sandbox.inside import attributes, names


def test_each_guarded_name_has_a_guard_and_no_other_has_one() -> None:
    assert attributes.SPECIAL.keys() == names.GUARDED


def test_no_special_name_is_treated_in_two_ways() -> None:
    ways = (names.READABLE, names.GUARDED, names.LEFT_OUT.keys())
    assert [one & other for one, other in combinations(ways, 2)] == [set(), set(), set()]
    assert not names.WRITABLE & names.LEFT_OUT.keys()


def test_no_program_reads_what_asks_about_classes() -> None:
    """methods.py leaves these unwrapped."""
    assert not names.may_read("__instancecheck__")
    assert not names.may_read("__subclasscheck__")
