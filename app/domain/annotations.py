"""Strips the types of declared fields of the bounds that apply to requests."""

from __future__ import annotations

import operator
from functools import reduce
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin


def bare(annotation: Any) -> Any:
    """The type without metadata at any depth: `list[Annotated[str, Field(max_length=64)]]` becomes `list[str]`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return bare(args[0])
    if origin is Literal or origin is None:
        return annotation
    if origin in (Union, UnionType):
        return reduce(operator.or_, map(bare, args))
    return origin[tuple(map(bare, args))]


def without_none(annotation: Any) -> Any:
    """The type without None among its alternatives."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return reduce(operator.or_, (member for member in get_args(annotation) if member is not type(None)))
