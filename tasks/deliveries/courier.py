"""The courier of a worker, or of a beat that stands in for workers.

It claims deliveries that are due, has them sent, and reports what became of each.

One thread claims, as many as can be sent at once; up to `concurrency` threads send, few of them to a receiver that is
slow (receivers.py). The claim is a lease, which is not renewed: a try ends by itself before it does. What a worker does
not report, because it died or can't reach Redis, is put back by the maintenance and sent again, with the same
`webhook-id`.

A delivery that is due wakes all couriers, and one gets it. The others note that they were late: from then on they wait
a moment and look before they claim, until they get one again. One without others is hardly ever late.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from app.clock import Clock, elapsed
from app.domain.deliveries import DeliveryStatus, pause_ms
from app.domain.errors import Unavailable
from app.store.deliveries import Delivery, Try
from app.store.store import Store
from app.store.subscriber import Watch
from tasks.deliveries.channel import Channel, DueDelivery, Effect, Verdict
from tasks.deliveries.receivers import Receivers
from tasks.http import Cancel, Cancelled, InvalidURL, target_of

logger = logging.getLogger("celeriac.deliveries")

#: How often the courier looks for deliveries that are due, if nobody wakes it.
LOOK_SECONDS = 1.0
#: From one claim to the next: one claim of several deliveries costs Redis hardly more than that of one.
CLAIM_INTERVAL_SECONDS = 0.01
#: How long one that was late the last time lets the others go first; times a random number.
LATE_SECONDS = 0.01
#: Pause between tries to report to a Redis that is away.
REPORT_PAUSE_SECONDS = 0.5
#: How long deliveries that are being sent may take once the worker is ending; then they are put back.
END_SECONDS = 1.0
MAX_ERROR_CHARACTERS = 300

#: The channel of a delivery; None if there is no such channel any more.
FindChannel = Callable[[Delivery], Channel | None]


class Courier:
    """Runs from `start` to `stop`. `may_claim`: whether it may take deliveries now. `spread`: numbers from 0 to 1."""

    def __init__(
        self,
        store: Store,
        find_channel: FindChannel,
        *,
        concurrency: int,
        timeout_seconds: float,
        lease_seconds: float,
        may_claim: Callable[[], bool],
        clock: Clock,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._deliveries = store.deliveries
        self._subscriber = store.subscriber
        self._channel_key = store.keys.deliveries
        self._find_channel = find_channel
        self._concurrency = concurrency
        self._timeout_seconds = timeout_seconds
        self._spare_seconds = lease_seconds  # by which the lease is longer than a try
        self._may_claim = may_claim
        self._clock = clock
        self._spread = spread
        self._watch = Watch()
        self._stopped = threading.Event()
        self._senders = ThreadPoolExecutor(concurrency, thread_name_prefix="delivery")
        self._receivers = Receivers(concurrency, timeout_seconds)
        self._sending: dict[str, Cancel] = {}
        self._changed = threading.Condition()  # guards `_sending`
        self._claimed_at = float("-inf")
        self._is_late = False  # others were faster when it was woken last
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Start looking for deliveries."""
        self._subscriber.subscribe(self._channel_key, self._watch.notify)
        self._thread.start()

    def stop(self) -> None:
        """End. Deliveries that are not sent within END_SECONDS are cancelled and put back."""
        self._stopped.set()
        self._watch.notify(None)
        self._thread.join(LOOK_SECONDS + 5)
        with self._changed:
            self._changed.wait_for(lambda: not self._sending, END_SECONDS)
            for cancel in self._sending.values():
                cancel.cancel()
        self._senders.shutdown(wait=True)

    # --- the thread that claims -------------------------------------------------------------------

    def _run(self) -> None:
        is_woken = False
        while not self._stopped.is_set():
            try:
                may_be_more = self._claim(is_woken)
                is_woken = not may_be_more and self._watch.wait(LOOK_SECONDS)
            except Unavailable:  # the worker's heartbeat, or beat, logs it
                self._stopped.wait(LOOK_SECONDS)
            except Exception:  # a defect must not end the thread; the deliveries stay where they are
                logger.exception("the courier failed; trying again", extra={"action": "courier_failed"})
                self._stopped.wait(LOOK_SECONDS)

    def _claim(self, is_woken: bool) -> bool:
        """Claim as many deliveries as can be sent now. Returns whether there may be more."""
        if is_woken and self._is_late:
            self._stopped.wait(LATE_SECONDS * self._spread())
        self._stopped.wait(max(0.0, self._claimed_at + CLAIM_INTERVAL_SECONDS - time.monotonic()))
        free = self._concurrency - len(self._sending)
        if free <= 0 or self._stopped.is_set() or not self._may_claim():
            return False
        self._claimed_at = time.monotonic()
        send_until = elapsed() + self._spare_seconds
        now_ms = self._clock()
        if self._is_late and not self._deliveries.is_any_due(now_ms):
            return False
        lease_until_ms = now_ms + round(1000 * (self._timeout_seconds + self._spare_seconds))
        claimed = self._deliveries.claim(now_ms, lease_until_ms, free)
        self._is_late = not claimed and (is_woken or self._is_late)
        for delivery in claimed:
            cancel = Cancel()
            with self._changed:
                self._sending[delivery.id] = cancel
            try:
                self._senders.submit(self._deliver, delivery, cancel, send_until)
            except RuntimeError:  # no thread can be started: its lease ends, and it is sent again
                with self._changed:
                    del self._sending[delivery.id]
                raise
        return len(claimed) == free

    # --- the threads that send --------------------------------------------------------------------

    def _deliver(self, delivery: Delivery, cancel: Cancel, send_until: float) -> None:
        """Send and report a delivery. Nothing is sent from `send_until` on: its lease might end during the try."""
        if self._sending.get(delivery.id) is not cancel:  # given up: there was no thread for it when it was claimed
            return
        try:
            if elapsed() < send_until:
                self._send_and_report(delivery, cancel, send_until + self._timeout_seconds)
        except Unavailable:
            fields = {"action": "delivery_unreported", "delivery_id": delivery.id}
            logger.warning("can't reach Redis for a delivery; it is sent again later", extra=fields)
        except Exception:  # its lease ends, and it is sent again
            logger.exception("a delivery failed", extra={"action": "delivery_defect", "delivery_id": delivery.id})
        finally:
            with self._changed:
                was_busy = len(self._sending) >= self._concurrency
                del self._sending[delivery.id]
                self._changed.notify_all()
            if was_busy:  # more may be waiting for a free place
                self._watch.notify(None)

    def _send_and_report(self, delivery: Delivery, cancel: Cancel, lease_ends: float) -> None:
        began_ms, began = self._clock(), time.perf_counter()
        channel = self._find_channel(delivery)
        try:
            verdict = self._send(channel, delivery, began_ms, cancel)
        except Cancelled:
            verdict = Verdict.postponed(0.0)
        ms = round((time.perf_counter() - began) * 1000, 1)
        error = None if verdict.error is None else verdict.error[:MAX_ERROR_CHARACTERS]
        made = None if verdict.effect is Effect.POSTPONED else Try(began_ms, verdict.status, ms, error)
        status, next_try_ms = self._following(delivery, channel, verdict)
        self._report(delivery, status, next_try_ms, made, lease_ends)
        _log(delivery, status, verdict, ms)

    def _send(self, channel: Channel | None, delivery: Delivery, now_ms: int, cancel: Cancel) -> Verdict:
        """Send a delivery, or put it off while its receiver has all the places that it may have."""
        if channel is None:
            return Verdict.failed(None, f"there is no channel {delivery.channel}")
        receiver, began = _receiver(delivery), elapsed()
        wait = self._receivers.enter(receiver, began)
        if wait is not None:
            if wait.is_first:
                fields = {"action": "deliveries_put_off", "receiver": receiver}
                logger.warning("deliveries wait, because their receiver is slow or does not answer", extra=fields)
            return Verdict.postponed(wait.seconds)
        has_answered = None
        try:
            verdict = self._try(channel, delivery, now_ms, cancel)
            has_answered = verdict.has_answered
            return verdict
        finally:
            self._receivers.leave(receiver, elapsed() - began, has_answered)

    def _try(self, channel: Channel, delivery: Delivery, now_ms: int, cancel: Cancel) -> Verdict:
        task = self._deliveries.subject(delivery) if delivery.data is None else None
        try:
            return channel.send(DueDelivery(delivery, task, now_ms, self._timeout_seconds), cancel)
        except (Cancelled, Unavailable):
            raise
        except Exception as error:  # a defect of ours
            fields = {"action": "delivery_defect", "delivery_id": delivery.id}
            logger.exception("a delivery could not be sent", extra=fields)
            return Verdict.again(None, f"the service failed: {type(error).__name__}")

    def _following(
        self, delivery: Delivery, channel: Channel | None, verdict: Verdict
    ) -> tuple[DeliveryStatus, int | None]:
        """The new status of the delivery, and when it is tried next if it stays pending."""
        if verdict.effect is Effect.DELIVERED:
            return DeliveryStatus.DELIVERED, None
        if verdict.effect is Effect.FAILED or channel is None:
            return DeliveryStatus.FAILED, None
        if verdict.effect is Effect.POSTPONED:
            return DeliveryStatus.PENDING, self._clock() + round(1000 * (verdict.after_seconds or 0.0))
        tried = delivery.tried + 1
        pause = pause_ms(channel.pauses_seconds, tried, random.random(), verdict.after_seconds)
        if pause is None:
            return DeliveryStatus.FAILED, None
        return DeliveryStatus.PENDING, self._clock() + pause

    def _report(
        self, delivery: Delivery, status: DeliveryStatus, next_try_ms: int | None, made: Try | None, lease_ends: float
    ) -> None:
        """Write the end of a try, persistently while the lease lasts. Raises Unavailable if Redis stays away."""
        while True:
            try:
                self._deliveries.end_try(delivery, self._clock(), status, next_try_ms=next_try_ms, made=made)
                return
            except Unavailable:
                if self._stopped.is_set() or elapsed() >= lease_ends:
                    raise
                time.sleep(REPORT_PAUSE_SECONDS)


def _receiver(delivery: Delivery) -> str:
    """Whom a delivery is for: a channel, or the host and port of a URL."""
    if delivery.channel is not None:
        return f"channel {delivery.channel}"
    try:
        return str(target_of(delivery.url or ""))
    except InvalidURL:  # which the try will say
        return ""


def _log(delivery: Delivery, status: DeliveryStatus, verdict: Verdict, ms: float) -> None:
    if verdict.effect is Effect.POSTPONED:
        return
    fields = {
        "delivery_id": delivery.id,
        "type": delivery.type,
        "task_id": delivery.task_id,
        "channel": delivery.channel,
        "status": verdict.status,
        "duration_ms": ms,
        "reason": verdict.error,
    }
    level, words, action = _LINES[status]
    what = "callback" if delivery.channel is None else "notice"
    shown = {name: value for name, value in fields.items() if value is not None}
    logger.log(level, f"{what} {words}", extra={"action": action, **shown})


_LINES = {
    DeliveryStatus.DELIVERED: (logging.INFO, "delivered", "delivered"),
    DeliveryStatus.PENDING: (logging.INFO, "not delivered; it is tried again", "delivery_retried"),
    DeliveryStatus.FAILED: (logging.WARNING, "not delivered; no try is left, or none makes sense", "delivery_failed"),
}
