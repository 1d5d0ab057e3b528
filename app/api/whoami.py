"""/api/whoami"""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.api.context import context
from app.api.guard import caller
from app.api.parsing import Query
from app.api.responses import WhoAmI
from app.api.shapes import answer, write

blueprint = Blueprint("whoami", __name__, url_prefix="/api/whoami")


@blueprint.get("")
def who_am_i() -> Response:
    """The caller, as the key of this request names it."""
    Query(request.args).done()
    found = caller()
    return answer(write(WhoAmI, {"name": found.name, "scope": found.scope, "needs_key": context().access.needs_key()}))
