"""Notices to channels: a target for each kind that counts and answers as the real service documents it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
from standardwebhooks.webhooks import Webhook

from app.clock import system_clock
from app.domain.channels import CHANNEL_KINDS
from app.domain.channels.rate import Rate
from app.domain.deliveries import DeliveryStatus
from app.domain.errors import InvalidSpec
from app.settings import Settings
from app.store.deliveries import Delivery, DeliveryFilters
from app.store.store import Store
from app.usecases.channels import ChannelService
from app.usecases.schedules import ScheduleService
from tasks.deliveries import courier as courier_module
from tasks.deliveries.courier import Courier
from tasks.deliveries.making import make_courier
from tests.certificates import Certificates
from tests.conftest import VirtualClock
from tests.domain.test_channels import SECRET, TOKEN
from tests.http.conftest import certificates  # noqa: F401 - a fixture
from tests.http.target import Received, Target, Wire, http
from tests.http.test_guard import SPELLINGS
from tests.http.test_mail import Mailbox, serving
from tests.servers import wait_until
from tests.worker.conftest import Start

SETTINGS = Settings(public_url="https://tasks.example")
DELIVERED, FAILED, PENDING = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.PENDING


@pytest.fixture
def now() -> VirtualClock:
    """A clock that stands, but near the time that verifiers see."""
    return VirtualClock(system_clock())


@pytest.fixture
def channels(store: Store, now: VirtualClock) -> ChannelService:
    return ChannelService(store.channels, store.deliveries, (), now)


@pytest.fixture
def run(store: Store, now: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Courier]]:
    """Starts a courier with these settings."""
    monkeypatch.setattr(courier_module, "LOOK_SECONDS", 0.02)
    started: list[Courier] = []

    def run(**settings: Any) -> Courier:
        courier = make_courier(replace(SETTINGS, **settings), store, lambda: True, now)
        courier.start()
        started.append(courier)
        return courier

    yield run
    for courier in started:
        courier.stop()


def tried(store: Store, delivery: Delivery, number: int = 1) -> Delivery:
    """The delivery, after that many tries."""

    def current() -> Delivery:
        found = store.deliveries.get(delivery.id)
        assert found is not None
        return found

    wait_until(lambda: len(current().tries) >= number, 10, f"{number} tries")
    return current()


# --- the services, as they document themselves ---------------------------------------------------------


def answer(status: str, value: Any, *headers: str) -> bytes:
    """A JSON answer."""
    return http(json.dumps(value).encode(), "Content-Type: application/json", *headers, status=status)


@dataclass
class Service:
    """The service behind a kind of channel: the path and the fields of a channel, and its answer to a request."""

    path: str
    fields: dict[str, Any]
    reply: Callable[[Received], bytes]
    wrong: dict[str, Any]  # fields that it refuses

    def serve(self, wire: Wire) -> None:
        """Answer the requests of a connection."""
        while (received := wire.request()) is not None:
            wire.send(self.reply(received))


def _slack(received: Received) -> bytes:
    sent = json.loads(received.body)
    if received.path != "/services/T0/B0/t0ken":
        return http(b"no_service", status="404 Not Found")
    is_right = isinstance(sent["text"], str) and 0 < len(sent["blocks"]) <= 50
    return http(b"ok") if is_right else http(b"invalid_payload", status="400 Bad Request")


def _dingtalk(received: Received) -> bytes:
    query = {name: values[0] for name, values in parse_qs(urlsplit(received.path).query).items()}
    if query["access_token"] != "t0ken":
        return answer("200 OK", {"errcode": 300005, "errmsg": "token is not exist"})
    right = base64.b64encode(hmac.new(b"SEC1", f"{query['timestamp']}\nSEC1".encode(), hashlib.sha256).digest())
    if query["sign"] != right.decode() or abs(int(query["timestamp"]) - system_clock()) > 3_600_000:
        return answer("200 OK", {"errcode": 310000, "errmsg": "sign not match"})
    is_right = bool(json.loads(received.body)["text"]["content"])
    return answer("200 OK", {"errcode": 0, "errmsg": "ok"} if is_right else {"errcode": 40035})


def _feishu(received: Received) -> bytes:
    sent = json.loads(received.body)
    right = base64.b64encode(hmac.new(f"{sent['timestamp']}\ns1".encode(), b"", hashlib.sha256).digest()).decode()
    if sent["sign"] != right or abs(int(sent["timestamp"]) - system_clock() / 1000) > 3600:
        return answer("200 OK", {"code": 19021, "msg": "sign match fail or timestamp is not within one hour"})
    is_right = sent["msg_type"] == "post" and sent["content"]["post"]["zh_cn"]["title"]
    return answer("200 OK", {"code": 0, "msg": "success", "data": {}} if is_right else {"code": 9499})


def _wecom(received: Received) -> bytes:
    if received.path != "/cgi-bin/webhook/send?key=t0ken":
        return answer("200 OK", {"errcode": 93000, "errmsg": "invalid webhook url"})
    content = json.loads(received.body)["text"]["content"]
    return answer("200 OK", {"errcode": 0 if 0 < len(content.encode()) <= 2048 else 40058, "errmsg": "…"})


def _teams(received: Received) -> bytes:
    if received.path != "/workflows/1?sig=t0ken":
        return http(b"", status="401 Unauthorized")
    (attachment,) = json.loads(received.body)["attachments"]
    is_card = attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    return http(b"", status="202 Accepted" if is_card else "400 Bad Request")


def _telegram(received: Received) -> bytes:
    if received.path != f"/bot{TOKEN}/sendMessage":
        return answer("401 Unauthorized", {"ok": False, "error_code": 401, "description": "Unauthorized"})
    sent = json.loads(received.body)
    is_right = sent["chat_id"] == "-1001" and 0 < len(sent["text"]) <= 4096
    return answer("200 OK" if is_right else "400 Bad Request", {"ok": is_right, "result": {}})


def _webhook(received: Received) -> bytes:
    try:
        Webhook(SECRET).verify(received.body, received.headers)
    except Exception:
        return http(b"", status="410 Gone")
    return http(b"", status="204 No Content")


OTHER_SECRET = "whsec_" + base64.b64encode(b"x" * 24).decode()
SERVICES = {
    "slack": Service("/services/T0/B0/t0ken", {}, _slack, {"path": "/services/T0/B0/other"}),
    "dingtalk": Service("/robot/send?access_token=t0ken", {"secret": "SEC1"}, _dingtalk, {"secret": "SEC2"}),
    "feishu": Service("/open-apis/bot/v2/hook/t0ken", {"secret": "s1"}, _feishu, {"secret": "s2"}),
    "lark": Service("/open-apis/bot/v2/hook/t0ken", {"secret": "s1"}, _feishu, {"secret": "s2"}),
    "wecom": Service("/cgi-bin/webhook/send?key=t0ken", {}, _wecom, {"path": "/cgi-bin/webhook/send?key=other"}),
    "teams": Service("/workflows/1?sig=t0ken", {}, _teams, {"path": "/workflows/1?sig=other"}),
    "telegram": Service("", {"secret": TOKEN, "chat_id": "-1001"}, _telegram, {"secret": "1:abcdefghijklmnop"}),
    "webhook": Service("/hook", {"secret": SECRET}, _webhook, {"secret": OTHER_SECRET}),
}


def put(channels: ChannelService, kind: str, target: Target, **more: Any) -> None:
    """Create the channel `ops`, which leads to a target."""
    service = SERVICES[kind]
    path = more.pop("path", service.path)
    channels.put("ops", {"kind": kind, "url": target.url + path, **service.fields, **more})


def test_there_is_a_service_for_every_kind() -> None:
    assert {*SERVICES, "email"} == CHANNEL_KINDS.keys()


@pytest.mark.parametrize("kind", SERVICES)
def test_a_test_notice_arrives_once_and_is_accepted(
    store: Store, channels: ChannelService, run: Callable[..., Courier], kind: str
) -> None:
    with Target(SERVICES[kind].serve) as target:
        put(channels, kind, target)
        run()
        delivery = tried(store, channels.test("ops"))
    assert (delivery.status, delivery.tries[0].error, delivery.type) == (DELIVERED, None, "alert.test")
    (received,) = target.received
    assert received.headers["content-type"] == "application/json"
    assert "ops" in received.body.decode()


@pytest.mark.parametrize("kind", SERVICES)
def test_what_the_service_refuses_fails_at_once_and_says_what_to_check(
    store: Store, channels: ChannelService, run: Callable[..., Courier], kind: str
) -> None:
    with Target(SERVICES[kind].serve) as target:
        put(channels, kind, target, **SERVICES[kind].wrong)
        run()
        delivery = tried(store, channels.test("ops"))
    assert (delivery.status, len(target.received)) == (FAILED, 1)
    assert delivery.tries[0].error
    assert "t0ken" not in delivery.tries[0].error


BUSY = {
    "slack": (http(b"", "Retry-After: 30", status="429 Too Many Requests"), 30),
    "dingtalk": (answer("200 OK", {"errcode": 130101, "errmsg": "send too fast"}), 600),
    "feishu": (answer("200 OK", {"code": 11232, "msg": "frequency limited"}), 60),
    "wecom": (answer("200 OK", {"errcode": 45009, "errmsg": "api freq out of limit"}), 60),
    "telegram": (answer("429 Too Many Requests", {"ok": False, "parameters": {"retry_after": 7}}), 7),
}


@pytest.mark.parametrize("kind", BUSY)
def test_a_channel_that_has_had_too_many_is_left_alone_for_as_long_as_it_says(
    store: Store, channels: ChannelService, run: Callable[..., Courier], now: VirtualClock, kind: str
) -> None:
    busy, seconds = BUSY[kind]
    service = SERVICES[kind]

    def serve(wire: Wire) -> None:
        while (received := wire.request()) is not None:
            wire.send(busy if len(wire.received) == 1 else service.reply(received))

    with Target(serve) as target:
        put(channels, kind, target)
        run()
        first = tried(store, channels.test("ops"))
        second = channels.test("ops")
        assert first.next_try_ms is not None
        assert first.next_try_ms >= now() + seconds * 1000
        wait_until(lambda: (_read(store, second).next_try_ms or 0) > now(), 10, "the second is put off")
        assert len(target.received) == 1
        now.advance(seconds * 1200)
        wait_until(lambda: len(target.received) >= 2, 10, "one more")

        def are_told() -> bool:
            now.advance(1_000)  # some services take one message a second
            return {_read(store, first).status, _read(store, second).status} == {DELIVERED}

        wait_until(are_told, 10, "both")
        assert len(target.received) == 3


ABSURD = {
    "slack": http(b"", f"Retry-After: {10**12}", status="429 Too Many Requests"),
    "telegram": answer("429 Too Many Requests", {"ok": False, "parameters": {"retry_after": 10**30}}),
}


@pytest.mark.parametrize("kind", ABSURD)
def test_a_channel_is_shut_for_an_hour_at_most_and_no_more_once_it_is_changed(
    store: Store, channels: ChannelService, run: Callable[..., Courier], now: VirtualClock, kind: str
) -> None:
    def refuse(wire: Wire) -> None:
        while wire.request() is not None:
            wire.send(ABSURD[kind])

    with Target(refuse) as target:
        put(channels, kind, target)
        run()
        refused = tried(store, channels.test("ops"))
        assert refused.next_try_ms is not None
        assert refused.next_try_ms - now() <= 3_600_000 * 1.1
        waiting = channels.test("ops")
        wait_until(lambda: (_read(store, waiting).next_try_ms or 0) > now(), 10, "another notice is put off")
        assert (_read(store, waiting).next_try_ms or 0) - now() <= 3_600_000
    with Target(SERVICES[kind].serve) as target:
        put(channels, kind, target)
        assert tried(store, channels.test("ops")).status is DELIVERED


def _read(store: Store, delivery: Delivery) -> Delivery:
    found = store.deliveries.get(delivery.id)
    assert found is not None
    return found


def test_a_channel_gets_no_more_than_its_service_permits(
    store: Store, channels: ChannelService, run: Callable[..., Courier], now: VirtualClock
) -> None:
    with Target(SERVICES["dingtalk"].serve) as target:
        put(channels, "dingtalk", target)
        run()
        sent = [channels.test("ops") for _ in range(25)]
        begin_ms, times = now(), list[int]()
        while len(times) < len(sent):
            due = [store.deliveries.get(one.id) for one in sent]
            waiting = [one.next_try_ms for one in due if one is not None and one.next_try_ms is not None]
            if not waiting or min(waiting) > now():
                times += [now()] * (len(target.received) - len(times))
                now.advance(1_000)
    for start in times:
        assert sum(start <= at < start + 60_000 for at in times) <= 20
    assert len(target.received) == 25
    assert times[-1] - begin_ms < 120_000


@pytest.mark.parametrize("rate", [row.rate for row in CHANNEL_KINDS.values() if row.rate is not None])
def test_burst_and_pauses_together_stay_within_the_rate(rate: Rate) -> None:
    assert rate.burst + (rate.seconds * 1000 - 1) // rate.pause_ms <= rate.messages


@pytest.mark.parametrize("kind", ["feishu", "lark"])
def test_feishu_gets_no_more_than_five_messages_in_a_second(kind: str) -> None:
    rate = CHANNEL_KINDS[kind].rate
    assert rate is not None
    assert rate.burst + 999 // rate.pause_ms <= 5


def test_notices_are_sent_although_the_memory_of_redis_is_full(
    store: Store, channels: ChannelService, run: Callable[..., Courier], raw_redis: redis.Redis, now: VirtualClock
) -> None:
    with Target(SERVICES["dingtalk"].serve) as target:
        put(channels, "dingtalk", target)
        delivery = channels.test("ops")
        raw_redis.config_set("maxmemory", "1")
        try:
            store.channels.shut("ops", Rate(20, 60), now() + 1_000, now())
            now.advance(1_000)
            run()
            assert tried(store, delivery).status == DELIVERED
        finally:
            raw_redis.config_set("maxmemory", "0")
    assert len(target.received) == 1


def test_mail_is_sent_with_the_id_of_the_event(
    store: Store,
    channels: ChannelService,
    run: Callable[..., Courier],
    certificates: Certificates,  # noqa: F811 - the fixture
) -> None:
    box = Mailbox()
    with serving(box, certificates.server(), is_tls=True) as (host, port):
        fields = {"url": f"smtps://{host}:{port}", "sender": "celeriac@mail.example", "to": ["ops@mail.example"]}
        channels.put("ops", {"kind": "email", **fields})
        run(http_ca_bundle=certificates.ca)
        delivery = tried(store, channels.test("ops"))
    ((_, recipients, letter),) = box.mails
    assert (delivery.status, delivery.tries[0].status) == (DELIVERED, 250)
    assert (recipients, letter["Message-ID"]) == (["ops@mail.example"], f"<{delivery.event_id}@mail.example>")


def test_a_notice_to_a_channel_that_is_gone_fails(
    store: Store, channels: ChannelService, run: Callable[..., Courier]
) -> None:
    channels.put("ops", {"kind": "slack", "url": "http://127.0.0.1:1/"})
    delivery = channels.test("ops")
    channels.delete("ops")
    run()
    assert tried(store, delivery).tries[0].error == "there is no channel ops"


@pytest.mark.parametrize("kind", CHANNEL_KINDS)
def test_no_spelling_of_a_refused_address_is_reached(
    store: Store, channels: ChannelService, run: Callable[..., Courier], kind: str
) -> None:
    mail = {"sender": "a@b.example", "to": ["c@d.example"]}
    fields = mail if kind == "email" else SERVICES[kind].fields
    scheme = "smtps" if kind == "email" else "http"
    with Target(lambda wire: wire.send(http(b"ok"))) as target:
        run(host="0.0.0.0")
        sent = {}
        for number, host in enumerate(SPELLINGS):
            name = f"c{number}"
            with contextlib.suppress(InvalidSpec):  # some are not even hosts
                channels.put(name, {"kind": kind, "url": f"{scheme}://{host}:{target.port}", **fields})
                sent[host] = channels.test(name)
        assert len(sent) >= 20
        for host, delivery in sent.items():
            error = tried(store, delivery).tries[0].error or ""
            assert error.partition(":")[0] == "BlockedAddressError", host
        assert target.connections == 0


def test_beat_sends_notices_while_no_worker_does(store: Store, channels: ChannelService, start: Start) -> None:
    """Otherwise nobody would be told that all workers are gone."""
    with Target(SERVICES["slack"].serve) as target:
        put(channels, "slack", target)
        start("beat")
        channels.test("ops")
        wait_until(lambda: store.deliveries.page(DeliveryFilters(channel="ops", status=DELIVERED), 10).items, 30, "it")
        assert len(target.received) == 1


def test_a_schedule_that_fails_reaches_its_chat_by_real_processes(
    store: Store, channels: ChannelService, schedules: ScheduleService, start: Start, start_worker: Start
) -> None:
    def serve(wire: Wire) -> None:
        while (received := wire.request()) is not None:
            is_task = received.path == "/task"
            wire.send(http(b"", status="500 No") if is_task else _dingtalk(received))

    with Target(serve) as target:
        put(channels, "dingtalk", target)
        start_worker("one", "-Q", "celeriac.api")
        start("beat")
        body = {"name": "nightly", "api_url": f"{target.url}/task", "cron_expression": "* * * * * *"}
        schedule = schedules.create({**body, "alert": {"channels": ["ops"], "on": ["failed"], "after_failures": 2}})
        filters = DeliveryFilters(scheduled_task_id=schedule.id, status=DELIVERED)
        wait_until(lambda: store.deliveries.page(filters, 10).items, 30, "a notice")
        notices = [json.loads(one.body) for one in target.received if one.path != "/task"]
    (notice,) = notices
    assert notice["text"]["content"].startswith("Failed: nightly\nCount: 2\n")
    assert "HTTPStatusError: the target answered 500" in notice["text"]["content"]
