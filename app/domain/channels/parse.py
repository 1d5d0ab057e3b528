"""Reads channels from requests and from CHANNELS_FILE, and shows them without their secrets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.domain.channels import CHANNEL_KINDS
from app.domain.channels.spec import MAIL_PORTS, ChannelFields
from app.domain.errors import InvalidSpec, Problem
from app.domain.fields import HIDDEN
from app.domain.short_names import check_short_name
from app.domain.spec import Rules, must_be_object, parsed

#: Of these kinds the URL is no secret: the secret is a field of its own, which is sent to the server.
_OPEN_URLS = frozenset({"telegram", "email"})
_PORTS = {"http": 80, "https": 443, **MAIL_PORTS}
MAX_FILE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class NamedChannel:
    """A channel of CHANNELS_FILE."""

    name: str
    fields: ChannelFields


def parse_channel(raw: Any, stored: Mapping[str, Any] | None = None) -> ChannelFields:
    """The channel that `raw` describes. `***`, as responses show a secret, means the value in `stored`.

    It does not if it would be sent to another server than before: whoever may change a channel may not read its secret.
    Raises InvalidSpec with every problem.
    """
    must_be_object(raw)
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in CHANNEL_KINDS:
        raise InvalidSpec([Problem("kind", f"must be one of {', '.join(CHANNEL_KINDS)}")])
    same_kind = stored if stored is not None and stored.get("kind") == kind else {}
    fields = parsed(CHANNEL_KINDS[kind].fields, _with_secrets(raw, same_kind), _hidden_problems(same_kind))
    keeps_secret = kind in _OPEN_URLS and raw.get("secret") == HIDDEN
    if keeps_secret and _server(fields.model_dump()["url"]) != _server(same_kind.get("url")):
        raise InvalidSpec([Problem("secret", "give it again: the url leads to another server than before")])
    return fields


def changed_channel(stored: Mapping[str, Any], changes: Any) -> ChannelFields:
    """The channel `stored` with `changes`: a field that is left out stays, null resets it to its default.

    Another kind keeps nothing of the old one. Raises InvalidSpec.
    """
    must_be_object(changes)
    is_other = changes.get("kind") not in (None, stored.get("kind"))
    kept = {} if is_other else {name: HIDDEN if name == "secret" and value else value for name, value in stored.items()}
    return parse_channel({**kept, **changes}, stored)


def shown(fields: ChannelFields) -> dict[str, Any]:
    """The fields as responses show them."""
    values = fields.model_dump(mode="json")
    if values.get("secret") is not None:
        values["secret"] = HIDDEN
    if fields.kind not in _OPEN_URLS:
        values["url"] = _shown_url(values["url"])
    return values


def read_channels(text: str) -> tuple[NamedChannel, ...]:
    """The channels in the TOML of a CHANNELS_FILE: one table for each. Raises ValueError with every problem."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not valid TOML: {error}") from None
    channels, problems = [], []
    for name, table in tables.items():
        try:
            check_short_name(name)
            channels.append(NamedChannel(name, parse_channel(table)))
        except InvalidSpec as error:
            problems += [f"channel {name[:64]}: {_sentence(problem)}" for problem in error.problems]
        except ValueError as error:
            problems.append(f"channel {name[:64]}: the name {error}")
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(channels)


def _sentence(problem: Problem) -> str:
    return f"{problem.field} {problem.message}" if problem.field else "must be a table"


def _shown_url(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{HIDDEN}"


def _server(url: object) -> tuple[str, str, int | None] | None:
    """The scheme, host and port of a URL; None if it is none, as another version may have stored it."""
    try:
        parts = urlsplit(str(url))
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None


def _with_secrets(raw: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` with what is hidden in it replaced by what is stored."""
    values = dict(raw)
    if values.get("secret") == HIDDEN and stored.get("secret") is not None:
        values["secret"] = stored["secret"]
    url = stored.get("url")  # of any type, if another version has stored it
    if isinstance(url, str) and values.get("url") == _shown_url(url):
        values["url"] = url
    return values


def _hidden_problems(stored: Mapping[str, Any]) -> Rules:
    """The rule that nothing hidden is left in the fields."""

    def rule(fields: dict[str, Any]) -> list[Problem]:
        message = "give the value itself: there is no earlier one to keep"
        hidden = [name for name in ("secret", "url") if str(fields.get(name, "")).endswith(HIDDEN)]
        return [Problem(name, message) for name in hidden if fields[name] != stored.get(name)]

    return rule
