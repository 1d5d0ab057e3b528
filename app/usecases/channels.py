"""Channels: those of CHANNELS_FILE, which only the file changes, and those that callers create."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.clock import Clock
from app.domain.alerts.rule import channels_named, no_channel
from app.domain.channels import Notice, NoticeType
from app.domain.channels.parse import NamedChannel, changed_channel, parse_channel
from app.domain.channels.spec import ChannelFields
from app.domain.errors import Conflict, InvalidSpec, NotFound, Problem, problem_with
from app.domain.short_names import check_short_name
from app.store.channels import MAX_CHANNELS, ChannelStore, StoredChannel
from app.store.deliveries import Delivery, DeliveryStore, NewDelivery

#: Attempts at a change that meets another one.
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel. The times of one from CHANNELS_FILE are unknown.

    fields: None if what is stored is invalid for this version, which `error` describes: another version has stored it.
    """

    name: str
    fields: ChannelFields | None
    is_from_file: bool
    created_ms: int | None = None
    updated_ms: int | None = None
    error: str | None = None


class ChannelService:
    """The operations on channels. `file_channels` are those of the setting. They raise the errors of the domain."""

    def __init__(
        self, store: ChannelStore, deliveries: DeliveryStore, file_channels: Iterable[NamedChannel], clock: Clock
    ) -> None:
        self._store = store
        self._deliveries = deliveries
        self._from_file: Mapping[str, ChannelFields] = {found.name: found.fields for found in file_channels}
        self._clock = clock

    def find(self, name: str) -> Channel | None:
        """The channel with this name, or None. The file comes first."""
        if name in self._from_file:
            return Channel(name, self._from_file[name], is_from_file=True)
        stored = self._store.get(name)
        return None if stored is None else _channel(stored)

    def get(self, name: str) -> Channel:
        """The channel with this name. Raises NotFound."""
        found = self.find(name)
        if found is None:
            raise NotFound("channel not found")
        return found

    def all(self) -> list[Channel]:
        """Every channel, by name."""
        stored = {found.name: _channel(found) for found in self._store.all()}
        own = {name: Channel(name, fields, is_from_file=True) for name, fields in self._from_file.items()}
        return [channel for _, channel in sorted({**stored, **own}.items())]

    def names(self) -> set[str]:
        """The name of every channel."""
        return self._store.names() | self._from_file.keys()

    def unknown(self, names: Collection[str]) -> list[str]:
        """Those of `names` that no channel has."""
        return [name for name in names if name not in self._from_file and self._store.get(name) is None]

    def alert_problems(self, fields: Mapping[str, Any]) -> list[Problem]:
        """The channels that the field `alert` of a raw spec names and that do not exist."""
        return [no_channel(name) for name in self.unknown(channels_named(fields))[:1]]

    def put(self, name: str, raw: Any) -> tuple[Channel, bool]:
        """Create the channel, or replace it. Returns it, and whether it is new."""
        with problem_with("name"):
            check_short_name(name)
        return self._write(name, lambda seen: parse_channel(raw, None if seen is None else seen.fields))

    def patch(self, name: str, changes: Any) -> Channel:
        """Change some fields."""

        def changed(seen: StoredChannel | None) -> ChannelFields:
            if seen is None:
                raise NotFound("channel not found")
            return changed_channel(seen.fields, changes)

        return self._write(name, changed)[0]

    def delete(self, name: str) -> None:
        """Remove the channel. Notices that are on their way to it fail."""
        self._check_is_stored(name)
        if not self._store.delete(name):
            raise NotFound("channel not found")

    def test(self, name: str) -> Delivery:
        """Send a test notice to the channel. Returns its delivery, which a worker carries out."""
        channel, now_ms = self.get(name), self._clock()
        notice = Notice(NoticeType.TEST, channel.name, now_ms)
        new = NewDelivery(type=notice.event_type, channel=channel.name, data=notice.as_json())
        delivery = self._deliveries.get(self._deliveries.add(new, now_ms))
        if delivery is None:
            raise NotFound("the delivery has been removed")
        return delivery

    def _write(self, name: str, fields_for: Callable[[StoredChannel | None], ChannelFields]) -> tuple[Channel, bool]:
        self._check_is_stored(name)
        for _ in range(_TRIES):
            seen, now_ms = self._store.get(name), self._clock()
            fields = fields_for(seen)
            outcome = self._store.put(name, fields.model_dump(mode="json"), now_ms, seen)
            if outcome == "full":
                raise Conflict(f"there are {MAX_CHANNELS} channels, the most that are kept: delete one first")
            if outcome == "stored":
                created_ms = now_ms if seen is None else seen.created_ms
                return Channel(name, fields, False, created_ms, now_ms), seen is None
        raise Conflict("the channel is being changed; try again")

    def _check_is_stored(self, name: str) -> None:
        if name in self._from_file:
            raise Conflict("the channel comes from CHANNELS_FILE: change it there")


def _channel(stored: StoredChannel) -> Channel:
    times = (stored.created_ms, stored.updated_ms)
    try:
        return Channel(stored.name, parse_channel(dict(stored.fields)), False, *times)
    except InvalidSpec as error:
        return Channel(stored.name, None, False, *times, f"this version can't use what is stored: {error}")
