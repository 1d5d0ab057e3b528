"""Enumerations: what `enum` does with names that no policy has seen."""

from __future__ import annotations

import enum
from typing import Any

from sandbox.inside import attributes, classes, formatting, ownership, refusals
from sandbox.inside.names import MODULE, check_string, plain_name


def guard_enums() -> None:
    """Once, in the zygote."""
    _guard_enums_by_call()
    _guard_enum_members()
    if hasattr(enum.property, "_attr_type"):  # Python 3.12
        _guard_enum_properties()


def _guard_enum_properties() -> None:
    """A member that is called `format` stands before the one of str, and hands it out; `vars()` shows the property.

    The property reads by its name, which `__set_name__` changes, and of any object that has a `_value_`.
    """
    original = enum.property.__get__

    def get(self: Any, instance: Any, ownerclass: Any = None) -> Any:
        if type(self) is not enum.property:
            raise TypeError("enum.property.__get__() is for 'property' objects")
        if instance is None or self.fget is not None or self._attr_type is None:  # type: ignore[attr-defined]
            return formatting.with_our_formatter(original(self, instance, ownerclass))
        by_class = self._attr_type == "attr"  # type: ignore[attr-defined]
        return attributes.guarded_getattr(self._cls_type if by_class else instance._value_, self.name)  # type: ignore[attr-defined]

    enum.property.__get__ = get  # type: ignore[method-assign]


def _guard_enum_members() -> None:
    """What a member is before it is one sets an attribute of any name on any class, when it is told to."""
    original = enum._proto_member.__set_name__  # type: ignore[attr-defined]

    def set_name(self: Any, enum_class: Any, member_name: Any) -> None:
        check_string(member_name)
        member = type(self) is enum._proto_member and issubclass(type(enum_class), enum.EnumMeta)  # type: ignore[attr-defined]
        if not member or ownership.dict_of(enum_class).get(member_name) is not self:
            raise refusals.attribute(self, "__set_name__")
        original(self, enum_class, member_name)

    enum._proto_member.__set_name__ = set_name  # type: ignore[attr-defined]


def _guard_enums_by_call() -> None:
    """`Enum("Name", members)` makes a class."""
    original = enum.EnumMeta._create_  # type: ignore[attr-defined]

    def create(cls: Any, class_name: Any, names: Any, *args: Any, **kwargs: Any) -> Any:
        plain: Any = names.replace(",", " ").split() if type(names) is str else names or ()
        listed = list(dict.items(plain)) if issubclass(type(plain), dict) else list(plain)
        members = [each if type(each) is str else tuple(each) for each in listed]
        classes.check_field_names(each if type(each) is str else each[0] for each in members)
        if kwargs.get("module") is None:
            kwargs["module"] = MODULE
        if kwargs.get("type") is not None:
            classes.check_bases([kwargs["type"]])
        return original(cls, plain_name(class_name), members, *args, **kwargs)

    enum.EnumMeta._create_ = create  # type: ignore[attr-defined]
