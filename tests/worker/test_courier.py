"""The courier: what it sends, when it tries again, and what becomes of what it could not send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from app.clock import system_clock
from app.domain.deliveries import PAUSES_SECONDS, DeliveryStatus
from app.domain.webhooks import WebhookSecret
from app.settings import Settings
from app.store.deliveries import Delivery, DeliveryFilters, NewDelivery
from app.store.store import Store
from app.usecases.tasks import TaskService
from tasks.deliveries import courier as courier_module
from tasks.deliveries.channel import Channel, DueDelivery, Verdict
from tasks.deliveries.courier import Courier
from tasks.deliveries.making import make_courier
from tasks.http import Cancel
from tests.conftest import VirtualClock
from tests.http.target import OK, Received, Script, Target, Wire, answering, http
from tests.http.test_guard import SPELLINGS
from tests.scarcity import no_more_threads
from tests.servers import wait_until
from tests.store.making import finished
from tests.worker.conftest import Start

KEYS = [bytes(range(number, number + 32)) for number in (1, 2)]
SECRETS = tuple(WebhookSecret(key) for key in KEYS)
ERROR = http(b"secret of the inside", status="500 No")
SETTINGS = Settings(callback_secrets=SECRETS[:1])
PENDING, DELIVERED, FAILED = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED

#: Starts a courier with these settings; the last argument replaces the function that finds channels.
Run = Callable[..., Courier]


@pytest.fixture
def now() -> VirtualClock:
    """A clock that stands, but near the time that verifiers see."""
    return VirtualClock(system_clock())


@pytest.fixture
def run(store: Store, now: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr(courier_module, "LOOK_SECONDS", 0.02)
    started: list[Courier] = []

    def run(find: Callable[[Delivery], Channel | None] | None = None, **settings: Any) -> Courier:
        may_claim = settings.pop("may_claim", lambda: True)
        courier = make_courier(replace(SETTINGS, **settings), store, may_claim, now)
        if find is not None:
            courier._find_channel = find
        courier.start()
        started.append(courier)
        return courier

    yield run
    for courier in started:
        courier.stop()


def told(store: Store, now: VirtualClock, url: str, **changes: Any) -> str:
    """Finish a task with a callback. Returns the id of the delivery."""
    task_id = finished(store, now(), callback_url=url, **changes)
    return next(one.id for one in store.deliveries.page(DeliveryFilters(task_id=task_id), 10).items)


def read(store: Store, delivery_id: str) -> Delivery:
    delivery = store.deliveries.get(delivery_id)
    assert delivery is not None
    return delivery


def await_tries(store: Store, delivery_id: str, number: int, seconds: float = 10) -> Delivery:
    wait_until(lambda: len(read(store, delivery_id).tries) >= number, seconds, f"{number} tries")
    return read(store, delivery_id)


def is_signed(received: Received, key: bytes) -> bool:
    """Whether one of the signatures is right: the scheme in a few lines of its own."""
    signed = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.".encode() + received.body
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{right}" in received.headers["webhook-signature"].split(" ")


# --- what is sent --------------------------------------------------------------------------------------


def test_a_callback_is_posted_and_signed_with_every_secret(store: Store, now: VirtualClock, run: Run) -> None:
    with Target(answering(OK)) as target:
        run(callback_secrets=SECRETS)
        delivery_id = told(store, now, f"{target.url}/told?for=me")
        delivery = await_tries(store, delivery_id, 1)
    (received,) = target.received
    assert (received.method, received.path) == ("POST", "/told?for=me")
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("Celeriac/")
    assert received.headers["webhook-id"] == delivery.event_id
    assert received.headers["webhook-timestamp"] == str(now() // 1000)
    assert [is_signed(received, key) for key in (*KEYS, b"x" * 32)] == [True, True, False]
    for key in KEYS:
        event = Webhook(key).verify(received.body, received.headers)
        assert (event["type"], event["data"]["id"]) == ("task.succeeded", delivery.task_id)
        assert event["data"]["result"] == 7
    (made,) = delivery.tries
    assert (delivery.status, made.status, made.error, made.at_ms) == (DELIVERED, 200, None, now())
    assert made.ms > 0


def test_without_a_secret_a_callback_is_not_signed_and_the_log_says_so_once(
    store: Store, now: VirtualClock, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with Target(answering(OK)) as target:
        run(callback_secrets=())
        for _ in range(2):
            await_tries(store, told(store, now, target.url), 1)
    assert target.received[0].headers.keys() & {"webhook-id", "webhook-signature"} == {"webhook-id"}
    assert caplog.text.count("without a signature") == 1


def test_a_delivery_is_sent_at_once(store: Store, now: VirtualClock, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "LOOK_SECONDS", 30.0)
    with Target(answering(OK)) as target:
        run()
        assert store.subscriber.confirm(store.keys.deliveries, 5)
        await_tries(store, told(store, now, target.url), 1)


# --- tries ---------------------------------------------------------------------------------------------


def test_ten_tries_with_one_id_and_new_signatures(store: Store, now: VirtualClock, run: Run) -> None:
    with Target(answering(ERROR)) as target:
        run()
        delivery_id = told(store, now, target.url)
        for number, pause_seconds in enumerate(PAUSES_SECONDS, start=1):
            delivery = await_tries(store, delivery_id, number)
            assert delivery.status is PENDING
            assert delivery.next_try_ms is not None
            assert 1 <= (delivery.next_try_ms - now()) / (1000 * pause_seconds) <= 1.1
            now.now_ms = delivery.next_try_ms
        delivery = await_tries(store, delivery_id, 10)
    assert (delivery.status, delivery.next_try_ms, delivery.finished_ms) == (FAILED, None, now())
    assert {(one.status, one.error) for one in delivery.tries} == {(500, "the receiver answered 500")}
    assert len(target.received) == 10
    assert {one.headers["webhook-id"] for one in target.received} == {delivery.event_id}
    assert len({one.headers["webhook-signature"] for one in target.received}) == 10
    assert len({one.body for one in target.received}) == 1
    assert all(is_signed(one, KEYS[0]) for one in target.received)


def one_try(store: Store, now: VirtualClock, run: Run, script: Script) -> tuple[Delivery, int]:
    """The delivery after its first try, and how many requests came."""
    with Target(script) as target:
        run()
        return await_tries(store, told(store, now, target.url), 1), len(target.received)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "304 Same", "307 Elsewhere", "410 Gone"])
def test_redirects_and_410_end_it(store: Store, now: VirtualClock, run: Run, status: str) -> None:
    with Target(answering(OK)) as elsewhere:
        moved = answering(http(b"", f"Location: {elsewhere.url}", status=status))
        delivery, received = one_try(store, now, run, moved)
    assert (delivery.status, delivery.tries[0].status) == (FAILED, int(status[:3]))
    assert (received, elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("status", ["400 Bad", "404 None", "429 Many", "503 Busy"])
def test_any_other_answer_is_tried_again_and_retry_after_is_obeyed(
    store: Store, now: VirtualClock, run: Run, status: str
) -> None:
    with Target(answering(http(b"", "Retry-After: 60", status=status), OK)) as target:
        run()
        delivery = await_tries(store, told(store, now, target.url), 1)
        assert (delivery.status, delivery.next_try_ms) == (PENDING, now() + 60_000)
        now.advance(60_000)
        assert await_tries(store, delivery.id, 2).status is DELIVERED


def test_no_part_of_an_answer_is_kept(store: Store, now: VirtualClock, run: Run, raw_redis: Any) -> None:
    delivery, _ = one_try(store, now, run, answering(ERROR))
    key = f"celeriac:d:{delivery.id}"
    kept = json.dumps([raw_redis.hgetall(key), raw_redis.lrange(f"{key}:tries", 0, -1)])
    assert "inside" not in kept


def test_a_receiver_that_is_not_there_or_never_answers(store: Store, now: VirtualClock, run: Run) -> None:
    def silent(wire: Wire) -> None:
        wire.request()
        wire.hold()

    with Target(silent) as target:
        run(callback_timeout=1.0)
        slow = told(store, now, target.url)
        gone = told(store, now, "http://127.0.0.1:1/")
        tries = [await_tries(store, delivery_id, 1).tries[0] for delivery_id in (slow, gone)]
    assert [made.status for made in tries] == [None, None]
    assert [(made.error or "").partition(":")[0] for made in tries] == ["TimeoutError", "ConnectionError"]
    assert 1_000 <= tries[0].ms < 15_000
    assert {read(store, one).status for one in (slow, gone)} == {PENDING}


def test_a_deleted_task_is_still_told_of(store: Store, now: VirtualClock, run: Run) -> None:
    with Target(answering(OK)) as target:
        delivery_id = told(store, now, target.url)
        task_id = read(store, delivery_id).task_id
        assert task_id is not None
        store.tasks.delete(task_id)
        run()
        assert await_tries(store, delivery_id, 1).status is DELIVERED
    event = json.loads(target.received[0].body)
    assert (event["data"]["id"], event["data"]["result"], event["data"]["stdout"]) == (task_id, 7, "out\n")


def test_a_replay_has_the_same_id_and_the_current_secret(store: Store, now: VirtualClock, run: Run) -> None:
    with Target(answering(OK)) as target:
        first = run()
        delivery_id = told(store, now, target.url)
        await_tries(store, delivery_id, 1)
        first.stop()
        run(callback_secrets=SECRETS[1:])
        store.deliveries.replay(delivery_id, now())
        await_tries(store, delivery_id, 2)
    before, after = target.received
    assert before.headers["webhook-id"] == after.headers["webhook-id"]
    assert [is_signed(after, key) for key in KEYS] == [False, True]


# --- addresses -----------------------------------------------------------------------------------------


def test_no_spelling_of_a_refused_address_is_reached(store: Store, now: VirtualClock, run: Run) -> None:
    with Target(answering(OK)) as target:
        run(host="0.0.0.0", api_keys=())
        told_of = {host: told(store, now, f"http://{host}:{target.port}/") for host in SPELLINGS}
        for host, delivery_id in told_of.items():
            made = await_tries(store, delivery_id, 1).tries[0]
            assert (made.error or "").partition(":")[0] == "BlockedAddressError", (host, made)
        assert target.connections == 0


# --- what is lost --------------------------------------------------------------------------------------


class Played:
    """A channel that does what a test says."""

    pauses_seconds = (5.0,)

    def __init__(self, play: Callable[[DueDelivery, Cancel], Verdict]) -> None:
        self._play = play
        self.tried: list[DueDelivery] = []

    def send(self, due: DueDelivery, cancel: Cancel) -> Verdict:
        self.tried.append(due)
        return self._play(due, cancel)


def notice(store: Store, now: VirtualClock) -> str:
    return store.deliveries.add(NewDelivery("test", channel="ops", data={"n": 1}), now())


def test_a_courier_that_ends_puts_back_what_it_is_sending(store: Store, now: VirtualClock, run: Run) -> None:
    def silent(wire: Wire) -> None:
        wire.request()
        wire.hold()

    with Target(silent) as target:
        courier = run(callback_timeout=30.0)
        delivery_id = told(store, now, target.url)
        wait_until(lambda: target.received, 15, "a request")
        began = time.monotonic()
        courier.stop()
        assert time.monotonic() - began < 15
        assert read(store, delivery_id).tries == []
    assert [one.id for one in store.deliveries.claim(now(), now() + 1_000, 10)] == [delivery_id]


def test_nothing_is_claimed_while_it_may_not(store: Store, now: VirtualClock, run: Run) -> None:
    run(may_claim=lambda: False).stop()
    delivery_id = notice(store, now)
    courier = run(may_claim=lambda: False)
    wait_until(lambda: courier._thread.is_alive(), 15, "the thread")
    courier.stop()
    assert [one.id for one in store.deliveries.claim(now(), now() + 1_000, 10)] == [delivery_id]


def test_a_slow_receiver_holds_up_no_other(store: Store, now: VirtualClock, run: Run) -> None:
    def first_is_slow(wire: Wire) -> None:
        if wire.number == 1:
            wire.request()
            wire.hold()
        else:
            answering(OK)(wire)

    with Target(first_is_slow) as target:
        run(callback_concurrency=2, callback_timeout=30.0)
        slow = told(store, now, target.url)
        wait_until(lambda: target.received, 15, "the first request")
        for _ in range(5):
            await_tries(store, told(store, now, target.url), 1)
        assert read(store, slow).tries == []


def test_a_receiver_that_hangs_holds_up_the_others_for_one_timeout_at_most(
    store: Store, now: VirtualClock, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def silent(wire: Wire) -> None:
        wire.request()
        wire.hold()

    with Target(silent) as hanging, Target(answering(OK)) as target:
        ids = [told(store, now, hanging.url) for _ in range(40)]
        run(callback_concurrency=4, callback_timeout=1.0)
        await_tries(store, ids[0], 1)
        assert await_tries(store, told(store, now, target.url), 1).status is DELIVERED
        assert len(hanging.received) < 20, "it had a place of four, not all of them in ten rounds"
    untried = [one for one in (read(store, delivery_id) for delivery_id in ids) if not one.tries]
    assert {one.status for one in untried} == {PENDING}
    assert any(one.next_try_ms is not None and one.next_try_ms > now() for one in untried), "they are put off"
    assert caplog.text.count("deliveries wait, because their receiver is slow or does not answer") == 1


def test_what_waited_for_a_receiver_is_sent_once_it_is_well(store: Store, now: VirtualClock, run: Run) -> None:
    def first_hang(wire: Wire) -> None:
        if wire.number <= 2:
            wire.request()
            wire.hold()
        else:
            answering(OK)(wire)

    with Target(first_hang) as target:
        ids = [told(store, now, target.url) for _ in range(20)]
        run(callback_concurrency=2, callback_timeout=1.0)
        wait_until(lambda: any(read(store, one).status is DELIVERED for one in ids), 15, "it is well")
        now.advance(10_000)
        for one in ids:
            wait_until(lambda one=one: read(store, one).status is DELIVERED, 15, "all have been sent")
    assert sorted(read(store, one).tried for one in ids) == [1] * 18 + [2] * 2


def test_many_are_sent_by_few(store: Store, now: VirtualClock, run: Run) -> None:
    channel = Played(lambda due, cancel: Verdict.delivered())
    ids = [notice(store, now) for _ in range(50)]
    run(find=lambda delivery: channel, callback_concurrency=2)
    for delivery_id in ids:
        assert await_tries(store, delivery_id, 1).status is DELIVERED
    assert sorted(one.delivery.id for one in channel.tried) == ids, "each was sent once"
    assert {(one.task, one.delivery.data["n"]) for one in channel.tried if one.delivery.data} == {(None, 1)}


def test_a_courier_that_was_late_lets_the_others_go_first_and_looks_before_it_claims(
    store: Store, now: VirtualClock, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "LOOK_SECONDS", 60.0)
    claims, looks, has_claimed = list[int](), list[bool](), threading.Event()
    claim, is_any_due = store.deliveries.claim, store.deliveries.is_any_due

    def counted_claim(now_ms: int, lease_until_ms: int, limit: int) -> list[Delivery]:
        found = claim(now_ms, lease_until_ms, limit)
        claims.append(len(found))
        if found:
            has_claimed.set()
        return found

    def counted_look(now_ms: int) -> bool:
        looks.append(is_any_due(now_ms))
        return looks[-1]

    monkeypatch.setattr(store.deliveries, "claim", counted_claim)
    monkeypatch.setattr(store.deliveries, "is_any_due", counted_look)

    def deliver() -> None:
        claims.clear()
        has_claimed.clear()
        delivery_id = notice(store, now)
        wait_until(lambda: read(store, delivery_id).status is DELIVERED, 15, "the delivery")

    def spread() -> float:
        """Lets a late courier wait until the other one has claimed."""
        assert has_claimed.wait(15)
        return 0.0

    couriers = [run(lambda _: Played(lambda *_: Verdict.delivered())) for _ in range(2)]
    for courier in couriers:
        courier._spread = spread
    wait_until(lambda: claims == [0, 0], 15, "their first looks")
    assert store.subscriber.confirm(store.keys.deliveries, 15)
    deliver()
    wait_until(lambda: sorted(claims) == [0, 1], 15, "the claim of the one that is late")
    deliver()
    wait_until(lambda: looks == [False], 15, "its look")
    assert claims == [1]
    (first,) = (courier for courier in couriers if not courier._is_late)
    first.stop()
    has_claimed.set()
    notice(store, now)
    wait_until(lambda: claims == [1, 1], 15, "the late one takes what nobody else does")


def test_a_postponed_notice_is_no_try(store: Store, now: VirtualClock, run: Run) -> None:
    verdicts = [Verdict.postponed(7.0), Verdict.delivered()]
    run(find=lambda delivery: Played(lambda due, cancel: verdicts.pop(0)))
    delivery_id = notice(store, now)
    wait_until(lambda: read(store, delivery_id).next_try_ms == now() + 7_000, 15, "it is put off")
    now.advance(7_000)
    delivery = await_tries(store, delivery_id, 1)
    assert (delivery.status, delivery.tried, len(delivery.tries)) == (DELIVERED, 1, 1)


def test_a_channel_has_its_own_pauses(store: Store, now: VirtualClock, run: Run) -> None:
    run(find=lambda delivery: Played(lambda due, cancel: Verdict.again(None, "no")))
    delivery_id = notice(store, now)
    await_tries(store, delivery_id, 1)
    now.advance(5_500)
    assert await_tries(store, delivery_id, 2).status is FAILED


def test_a_defect_of_a_channel_is_a_failed_try(
    store: Store, now: VirtualClock, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(due: DueDelivery, cancel: Cancel) -> Verdict:
        raise KeyError("a secret")

    run(find=lambda delivery: Played(broken))
    delivery = await_tries(store, notice(store, now), 1)
    assert (delivery.status, delivery.tries[0].error) == (PENDING, "the service failed: KeyError")
    assert "a delivery could not be sent" in caplog.text


def test_a_notice_to_a_channel_that_is_gone_fails(store: Store, now: VirtualClock, run: Run) -> None:
    run()
    delivery = await_tries(store, notice(store, now), 1)
    assert (delivery.status, delivery.tries[0].error) == (FAILED, "there is no channel ops")


# --- real workers --------------------------------------------------------------------------------------


def test_a_worker_started_by_the_plain_command_delivers(
    service: TaskService, store: Store, start_worker: Start
) -> None:
    text = "whsec_" + base64.b64encode(KEYS[0]).decode()
    start_worker("one", CALLBACK_SECRETS=text)
    code = "def f(n):\n    print(n)\n    return 1 / n"
    with Target(answering(OK)) as target:
        for number in (1, 0):
            spec = {"name": "n", "function_code": code, "function_name": "f", "args": [number]}
            service.create({**spec, "callback_url": target.url}, wait_seconds=10)
        wait_until(lambda: len(target.received) == 2, 30, "two callbacks")
    events = [Webhook(text).verify(one.body, one.headers) for one in target.received]
    assert {event["type"] for event in events} == {"task.succeeded", "task.failed"}
    assert {(event["data"]["error"] or {}).get("type") for event in events} == {None, "ZeroDivisionError"}


def test_a_worker_that_is_killed_during_a_try_loses_nothing(
    service: TaskService, store: Store, start_worker: Start
) -> None:
    def first_hangs(wire: Wire) -> None:
        if wire.number == 1:
            wire.request()
            wire.hold()
        else:
            answering(OK)(wire)

    with Target(first_hangs) as target:
        worker = start_worker("one", CALLBACK_TIMEOUT="4", LEASE_SECONDS="1")
        spec = {"name": "n", "function_code": "def f(): pass", "function_name": "f", "callback_url": target.url}
        task = service.create(spec, wait_seconds=10)
        wait_until(lambda: target.received, 30, "the first try")
        os.killpg(worker.process.pid, signal.SIGKILL)
        start_worker("two")
        delivered = partial(store.deliveries.page, DeliveryFilters(task_id=task.id, status=DELIVERED), 10)
        wait_until(lambda: delivered().items, 60, "a delivery by another worker")
    assert len({one.headers["webhook-id"] for one in target.received}) == 1
    assert delivered().items[0].tried == 1, "the lost try does not count"


def test_a_place_is_free_again_if_there_was_no_thread_to_send_from(
    store: Store, now: VirtualClock, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    may_claim = threading.Event()
    with Target(answering(OK)) as target:
        run(callback_concurrency=1, may_claim=may_claim.is_set)
        delivery_id = told(store, now, target.url)
        with no_more_threads():
            may_claim.set()
            wait_until(lambda: "the courier failed" in caplog.text, 15, "a claim")
        now.advance(3_600_000)
        assert store.deliveries.take_back(now(), 10) == 1
        assert await_tries(store, delivery_id, 1).status is DELIVERED
