"""Errors for a program that does what the sandbox forbids."""

from __future__ import annotations

from typing import Any


class SecurityError(AttributeError):
    """The program used what the sandbox forbids."""


class ImportSecurityError(ImportError):
    """The program imported what the sandbox forbids."""


ImportSecurityError.__name__ = "SecurityError"


def attribute(value: Any, name: str) -> SecurityError:
    """For one that may not be read."""
    return SecurityError(f"the attribute {name!r} of a {type(value).__name__!r} object may not be used in the sandbox")


def definition_in_class_of_classes(name: str) -> SecurityError:
    """For one of names.NOT_OF_CLASSES."""
    return SecurityError(f"a class of classes may not define {name!r} in the sandbox")


def change_of_attribute(value: Any, name: str) -> SecurityError:
    """For one that may not be set or deleted."""
    kind = type(value).__name__
    return SecurityError(f"the attribute {name!r} of a {kind!r} object can't be changed in the sandbox")
