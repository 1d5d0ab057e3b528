"""Iterators of `itertools` written in Python, because those in C let go of what they are still asking.

When an iterator asks a program's code for an item and that code asks the iterator again, the inner call may reach the
end and free what the outer call still uses. A generator refuses to be asked while it runs, so these classes make one.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class chain:  # noqa: N801  (the library's name)
    """itertools.chain."""

    def __new__(cls, *iterables: Iterable[Any]) -> Any:
        return _joined(iter(iterables))

    @classmethod
    def from_iterable(cls, iterable: Iterable[Iterable[Any]], /) -> Any:
        """The items of each item."""
        return _joined(iter(iterable))


def _joined(iterables: Iterator[Iterable[Any]]) -> Iterator[Any]:
    for each in iterables:
        yield from each


class islice:  # noqa: N801  (the library's name)
    """itertools.islice."""

    def __new__(cls, iterable: Iterable[Any], /, *limits: Any) -> Any:
        plain = [None if each is None else _integer(each) for each in limits]
        itertools.islice((), *plain)  # says what is wrong with the limits
        wanted = slice(*plain)
        return _sliced(iter(iterable), wanted.start or 0, wanted.stop, wanted.step or 1)


def _integer(value: Any) -> Any:
    """A plain integer; what is none is left to the library to complain of."""
    return int.__index__(operator.index(value)) if hasattr(type(value), "__index__") else value


def _sliced(items: Iterator[Any], start: int, stop: int | None, step: int) -> Iterator[Any]:
    places: Any = itertools.count() if stop is None else range(max(start, stop))
    following = start
    for place, item in zip(places, items, strict=False):
        if place == following:
            yield item
            following += step


class zip_longest:  # noqa: N801  (the library's name)
    """itertools.zip_longest."""

    def __new__(cls, *iterables: Iterable[Any], fillvalue: Any = None) -> Any:
        return _zipped([iter(each) for each in iterables], fillvalue)


def _zipped(iterators: list[Any], fillvalue: Any) -> Iterator[Any]:
    active = [True] * len(iterators)
    while True:
        row = []
        for place, each in enumerate(iterators):
            item = next(each, _END) if active[place] else _END
            active[place] = item is not _END
            row.append(fillvalue if item is _END else item)
        if not any(active):
            return
        yield tuple(row)


_END = object()


class cycle:  # noqa: N801  (the library's name)
    """itertools.cycle."""

    def __new__(cls, iterable: Iterable[Any], /) -> Any:
        return _repeated(iter(iterable))


def _repeated(items: Iterator[Any]) -> Iterator[Any]:
    kept = []
    for item in items:
        yield item
        kept.append(item)
    while kept:
        yield from kept


class batched:  # noqa: N801  (the library's name)
    """itertools.batched, since Python 3.12."""

    def __new__(cls, iterable: Iterable[Any], n: Any, *, strict: Any = False) -> Any:
        size = int.__index__(operator.index(n))
        if size < 1:
            raise ValueError("n must be at least one")
        return _in_batches(iter(iterable), size, strict)


def _in_batches(items: Iterator[Any], size: int, strict: Any) -> Iterator[Any]:
    while batch := tuple(_sliced(items, 0, size, 1)):
        if strict and len(batch) < size:
            raise ValueError("batched(): incomplete batch")
        yield batch


class pairwise:  # noqa: N801  (the library's name)
    """itertools.pairwise."""

    def __new__(cls, iterable: Iterable[Any], /) -> Any:
        return _in_pairs(iter(iterable))


def _in_pairs(items: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    before = next(items, _END)
    if before is _END:
        return
    for item in items:
        yield before, item
        before = item


class count:  # noqa: N801  (the library's name)
    """itertools.count."""

    def __new__(cls, start: Any = 0, step: Any = 1) -> Any:
        itertools.count(start, step)  # says if one is no number
        return _counted(start, step)


def _counted(number: Any, step: Any) -> Iterator[Any]:
    while True:
        yield number
        number = number + step


class accumulate:  # noqa: N801  (the library's name)
    """itertools.accumulate."""

    def __new__(
        cls, iterable: Iterable[Any], func: Callable[[Any, Any], Any] | None = None, *, initial: Any = None
    ) -> Any:
        return _summed(iter(iterable), operator.add if func is None else func, initial)


def _summed(items: Iterator[Any], function: Callable[[Any, Any], Any], initial: Any) -> Iterator[Any]:
    total = next(items, _END) if initial is None else initial
    if total is _END:
        return
    yield total
    for item in items:
        total = function(total, item)
        yield total


ITERATORS: dict[str, Any] = {
    each.__name__: each for each in (accumulate, batched, chain, count, cycle, islice, pairwise, zip_longest)
}
for _each in ITERATORS.values():
    _each.__module__ = "itertools"
