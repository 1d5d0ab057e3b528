"""/api/channels"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from app.api import responses
from app.api.context import context
from app.api.parsing import Query, json_body
from app.api.shapes import answer, delivery_json, write
from app.domain.channels.parse import shown
from app.usecases.channels import Channel
from app.usecases.task_facts import time_or_none

blueprint = Blueprint("channels", __name__, url_prefix="/api/channels")


@blueprint.get("")
def list_channels() -> Response:
    """Every channel, by name."""
    Query(request.args).done()
    items = [channel_json(channel) for channel in context().channels.all()]
    return answer(write(responses.ChannelList, {"items": items}))


@blueprint.get("/<name>")
def get(name: str) -> Response:
    """One channel, without its secrets."""
    return _whole(context().channels.get(name))


@blueprint.put("/<name>")
def put(name: str) -> Response:
    """Create the channel, or replace it."""
    channel, is_new = context().channels.put(name, json_body())
    if not is_new:
        return _whole(channel)
    return answer(write(responses.Channel, channel_json(channel)), 201, Location=f"/api/channels/{name}")


@blueprint.patch("/<name>")
def patch(name: str) -> Response:
    """Change some fields; those that are left out stay, secrets too."""
    return _whole(context().channels.patch(name, json_body()))


@blueprint.delete("/<name>")
def delete(name: str) -> Response:
    """Remove the channel."""
    context().channels.delete(name)
    return Response(status=204)


@blueprint.post("/<name>/test")
def test(name: str) -> Response:
    """Send a test notice; what becomes of it is in the delivery."""
    delivery = context().channels.test(name)
    return answer(delivery_json(delivery), 202, Location=f"/api/deliveries/{delivery.id}")


def channel_json(channel: Channel) -> dict[str, Any]:
    """The members of a channel."""
    return {
        "name": channel.name,
        **({"error": channel.error} if channel.fields is None else shown(channel.fields)),
        "source": "file" if channel.is_from_file else "api",
        "created_at": time_or_none(channel.created_ms),
        "updated_at": time_or_none(channel.updated_ms),
    }


def _whole(channel: Channel) -> Response:
    return answer(write(responses.Channel, channel_json(channel)))
