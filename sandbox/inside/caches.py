"""`functools.lru_cache` and `functools.cache` on top of dict.

The library's, in C, follows a link that is gone when a key's `__eq__` calls the cache again, and compares what it is
given with the real `type` if it tells types apart. The library's own caches get keys of programs, too.
"""

from __future__ import annotations

import functools
import gc
import types
from collections.abc import Callable
from typing import Any

from sandbox.inside import classes, ownership

_InC: Any = functools._lru_cache_wrapper
_BEFORE, _AFTER, _KEY, _RESULT = range(4)
_KEYS_THEMSELVES = frozenset({int, str})
_WITH_NAMES_OR_TYPES = object()


class _Kept:
    """Results in the order in which they were last asked for, as a ring of links: [the one before, after, key, result].

    A link is in the dict if and only if it is in the ring: no key is asked for anything in between.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._links: dict[Any, list[Any]] = {}
        self._root: list[Any] = []
        self.clear()

    def clear(self) -> None:
        held = self._links.copy()  # until the end: what lets go of it may ask the cache again
        self._links.clear()
        self._root[:] = [self._root, self._root, None, None]
        self._hits = self._misses = 0
        for link in held.values():
            link[_BEFORE] = link[_AFTER] = None  # else they would wait for the garbage collector
        del held

    def info(self) -> Any:
        return functools._CacheInfo(self._hits, self._misses, self._most, len(self._links))

    def find(self, key: Any) -> list[Any] | None:
        link = self._links.get(key)
        if link is None:
            self._misses += 1
            return None
        self._hits += 1
        if self._most is not None:
            _take_out(link)
            self._put_last(link)
        return link

    def keep(self, key: Any, result: Any) -> None:
        if self._most == 0:
            return
        link = [None, None, key, result]
        if self._links.setdefault(key, link) is link and self._most is not None:
            self._put_last(link)
            if len(self._links) > self._most:
                self._drop_oldest()

    def _put_last(self, link: list[Any]) -> None:
        root = self._root
        last = root[_BEFORE]
        link[_BEFORE], link[_AFTER] = last, root
        last[_AFTER] = root[_BEFORE] = link

    def _drop_oldest(self) -> None:
        oldest = self._root[_AFTER]
        gone = self._links.pop(oldest[_KEY], None)
        if gone is not None:
            _take_out(gone)
        elif self._root[_AFTER] is oldest:  # its hash is another now
            _take_out(oldest)


def _take_out(link: list[Any]) -> None:
    before, after = link[_BEFORE], link[_AFTER]
    before[_AFTER], after[_BEFORE] = after, before


def lru_cache(maxsize: Any = 128, typed: Any = False) -> Any:
    """functools.lru_cache."""
    if isinstance(maxsize, int):
        most = max(0, int.__index__(maxsize))
        return lambda function: _cached(function, most, typed)
    if callable(maxsize) and isinstance(typed, bool):
        return _cached(maxsize, 128, typed)
    if maxsize is not None:
        raise TypeError("Expected first argument to be an integer, a callable, or None")
    return lambda function: _cached(function, None, typed)


def _cached(function: Callable[..., Any], most: int | None, typed: Any) -> Any:
    if not callable(function):
        raise TypeError("the first argument must be callable")
    tells_types = bool(typed)
    kept = _Kept(most)
    find, keep = kept.find, kept.keep

    def cached(*args: Any, **kwargs: Any) -> Any:
        if kwargs or tells_types:
            key: Any = _key(args, kwargs, tells_types)
        else:
            key = args[0] if len(args) == 1 and type(args[0]) in _KEYS_THEMSELVES else args
        link = find(key)
        if link is not None:
            return link[_RESULT]
        result = function(*args, **kwargs)
        keep(key, result)
        return result

    functools.update_wrapper(cached, function)
    vars(cached).update(
        cache_info=lambda: kept.info(),
        cache_clear=lambda: kept.clear(),
        cache_parameters=lambda: {"maxsize": most, "typed": typed},
    )
    return cached


def _key(args: tuple[Any, ...], kwargs: dict[str, Any], tells_types: bool) -> tuple[Any, ...]:
    kinds = tuple(classes.class_of(each) for each in (*args, *kwargs.values())) if tells_types else ()
    return (_WITH_NAMES_OR_TYPES, args, tuple(kwargs.items()), kinds)


#: What stands in the place of the library's own.
exchanged: list[Any] = []


def guard_caches() -> None:
    """Exchange what makes caches, and each cache that the library has. Once, in the zygote."""
    ownership.state.cache_code = _cached(len, 0, typed=False).__code__
    functools.lru_cache = lru_cache  # functools.cache calls it
    caches = [each for each in gc.get_objects() if type(each) is _InC]
    made = {id(each): _made_anew(each) for each in caches}
    exchanged.extend(made.values())
    for holder in gc.get_referrers(*caches):
        if type(holder) is types.CellType:
            holder.cell_contents = made[id(holder.cell_contents)]
        elif type(holder) is dict:
            for key, value in list(holder.items()):
                if type(value) is _InC:
                    holder[key] = made[id(value)]


def _made_anew(cache: Any) -> Any:
    return lru_cache(**cache.cache_parameters())(cache.__wrapped__)
