"""Detection of repeated requests."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.idempotency import RequestKey, request_key

BODY: dict[str, Any] = {"name": "a", "kwargs": {"x": 1, "y": [None, "\ud800"]}}


def made(method: str = "POST", path: str = "/api/tasks", key: str = "k", body: Any = BODY) -> RequestKey:
    return request_key(method, path, key, body)


def test_the_order_of_members_is_ignored() -> None:
    assert made(body={"kwargs": {"y": [None, "\ud800"], "x": 1}, "name": "a"}) == made()


@pytest.mark.parametrize("body", [{}, None, [], {**BODY, "name": "b"}, {**BODY, "name": None}, [BODY], {"name": "a"}])
def test_another_body_has_another_fingerprint_and_the_same_name(body: Any) -> None:
    other = made(body=body)
    assert (other.name, other.fingerprint != made().fingerprint) == (made().name, True)


@pytest.mark.parametrize("more", [{"method": "PUT"}, {"path": "/api/scheduled-tasks"}, {"key": "K"}, {"key": '"k"'}])
def test_a_key_is_separate_for_each_method_and_path(more: dict[str, str]) -> None:
    assert made(**more).name != made().name  # type: ignore[arg-type]
    assert made(**more).fingerprint == made().fingerprint  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["!", "~", "0" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a,b", "\\"])
def test_keys_of_visible_characters_are_accepted_and_hashed(key: str) -> None:
    assert len(made(key=key).name) == len(made(key=key).fingerprint) == 43  # SHA-256 in base64, whatever its length


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "\x7f", "\x00", "ä", "😀", "0" * 256])
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"must have 1 to 255 visible ASCII characters"):
        made(key=key)
