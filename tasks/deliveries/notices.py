"""Notices: deliveries to the channels that people have set up (app/domain/channels)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.clock import system_clock
from app.domain.channels import CHANNEL_KINDS, Notice, Rate, compose, judge
from app.domain.channels.sending import Answer, HttpMessage, MailMessage, Sending
from app.domain.channels.sending import Verdict as Judgement
from app.domain.channels.spec import ChannelFields
from app.store.channels import ChannelStore
from tasks.deliveries.channel import DueDelivery, Verdict
from tasks.executors.client import USER_AGENT
from tasks.http import CallError, Cancel, HttpClient, Request, retry_after_seconds
from tasks.http.mail import MailClient

#: Pauses before each try after the first: eight hours in all. Later a notice is no news.
NOTICE_PAUSES_SECONDS: tuple[float, ...] = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400)
#: The longest pause that a service may ask for: whoever is to be told must not wait for days.
MAX_ASKED_SECONDS = 3_600.0


class UnusableChannel:
    """A channel whose stored form this version can't use. Notices wait for it as for one that does not answer."""

    pauses_seconds: Sequence[float] = NOTICE_PAUSES_SECONDS

    def __init__(self, error: str) -> None:
        self._error = error

    def send(self, due: DueDelivery, cancel: Cancel) -> Verdict:
        """Say why this try failed."""
        return Verdict.again(None, self._error)


class NoticeSender:
    """Sends notices to one channel, no faster than the service behind it permits. Thread-safe."""

    pauses_seconds: Sequence[float] = NOTICE_PAUSES_SECONDS

    def __init__(
        self,
        name: str,
        fields: ChannelFields,
        store: ChannelStore,
        client: HttpClient,
        mail: MailClient,
        public_url: str,
    ) -> None:
        self._name = name
        self._fields = fields
        self._store = store
        self._client = client
        self._mail = mail
        self._public_url = public_url

    def send(self, due: DueDelivery, cancel: Cancel) -> Verdict:
        """Send the notice, unless the channel has had too many of late: then it is put off, which is no try."""
        wait_ms = self._store.take_turn(self._name, self._rate, due.now_ms)
        if wait_ms > 0:
            return Verdict.postponed(wait_ms / 1000)
        fields, delivery = self._fields, due.delivery
        sending = Sending(delivery.event_id, due.now_ms)
        message = compose(fields, Notice.from_json(delivery.data or {}), sending, self._public_url)
        try:
            answer = self._answer(message, due.timeout_seconds, cancel)
        except CallError as error:
            return Verdict.no_answer(error)
        return self._verdict(answer, judge(fields, answer), due.now_ms)

    @property
    def _rate(self) -> Rate | None:
        return CHANNEL_KINDS[self._fields.kind].rate

    def _answer(self, message: HttpMessage | MailMessage, timeout_seconds: float, cancel: Cancel) -> Answer:
        if isinstance(message, MailMessage):
            return Answer(self._mail.send(message, timeout_seconds, cancel))
        response = self._client.call(_request(message, timeout_seconds), cancel)
        pause_seconds = retry_after_seconds(response.header("Retry-After"), system_clock())
        return Answer(response.status_code, response.body, pause_seconds)

    def _verdict(self, answer: Answer, found: Judgement, now_ms: int) -> Verdict:
        if found.is_delivered:
            return Verdict.delivered(answer.status_code)
        if found.is_final:
            return Verdict.failed(answer.status_code, found.error)
        asked = found.retry_after_seconds
        asked_seconds = None if asked is None else min(asked, MAX_ASKED_SECONDS)
        if asked_seconds is not None and self._rate is not None:  # others would be refused as well
            self._store.shut(self._name, self._rate, now_ms + round(asked_seconds * 1000), now_ms)
        return Verdict.again(answer.status_code, found.error, asked_seconds)


def _request(message: HttpMessage, timeout_seconds: float) -> Request:
    headers: Mapping[str, str] = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        **message.headers,
    }
    return Request(
        method="POST",
        url=message.url,
        headers=headers,
        params={},
        data=message.body,
        timeout_seconds=timeout_seconds,
        follow_redirects=False,
    )
