"""GET /api/whoami"""

from __future__ import annotations

import pytest

from app.settings import ApiKey, Settings
from tests.api.calls import Api
from tests.api.conftest import MakeWeb

SECRET = "a-key-of-thirty-two-characters-or-more"


def test_without_keys_every_caller_is_local_and_may_do_everything(api: Api) -> None:
    assert api.get("/api/whoami").get_json() == {"name": "local", "scope": "admin", "needs_key": False}


@pytest.mark.parametrize("scope", ["read", "write", "admin"])
def test_a_key_tells_its_name_and_scope(make_web: MakeWeb, scope: str) -> None:
    api = Api(make_web(Settings(api_keys=(ApiKey("ops", scope, SECRET),))))
    response = api.get("/api/whoami", headers={"Authorization": f"Bearer {SECRET}"})
    assert response.get_json() == {"name": "ops", "scope": scope, "needs_key": True}


def test_a_stranger_is_refused(make_web: MakeWeb) -> None:
    api = Api(make_web(Settings(api_keys=(ApiKey("ops", "read", SECRET),))))
    assert api.get("/api/whoami").status_code == 401
