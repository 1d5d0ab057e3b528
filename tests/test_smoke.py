"""The smoke test for users, test_task_types.py, says what is wrong with where it runs."""

from __future__ import annotations

from typing import Any, cast

import pytest

import test_task_types as smoke_test
from app.settings import read_settings
from tasks.executors.client import address_policy


class RefusesTheTarget:
    """A Smoke whose service may not call 127.0.0.1."""

    target = "http://127.0.0.1:1"

    def create(self, **_: Any) -> dict[str, Any]:
        return {
            "status": "failed",
            "error": {"type": "BlockedAddressError", "message": "127.0.0.1 is not open to tasks"},
        }


def test_it_names_the_setting_with_which_a_service_for_others_may_call_it() -> None:
    with pytest.raises(AssertionError, match=r"BlockedAddressError.*HTTP_ALLOWED_NETWORKS") as told:
        smoke_test.api_immediate(cast(Any, RefusesTheTarget()))
    named = str(told.value).partition("HTTP_ALLOWED_NETWORKS=")[2]
    policy = address_policy(read_settings({"HOST": "0.0.0.0", "HTTP_ALLOWED_NETWORKS": named}))
    assert policy.refuses("127.0.0.1", 1) is None
