"""Which spans are recorded, and that those who trace nothing make nothing."""

from __future__ import annotations

import gc
import sys

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import Link, SpanContext, TraceFlags

from app.domain.outcome import Outcome
from app.domain.trace import no_trace
from app.tracing.spans import LikeItsLink
from tasks.traces import Untraced
from tests.http.attempts import attempt_of


@pytest.mark.parametrize("base", [ALWAYS_ON, ALWAYS_OFF])
@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_span_with_a_link_is_recorded_if_the_linked_one_is(base: Sampler, is_recorded: bool) -> None:
    link = Link(SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(int(is_recorded))))
    decided = LikeItsLink(base).should_sample(None, 2, "attempt code", links=[link])
    assert decided.decision.is_sampled() is is_recorded


@pytest.mark.parametrize("base", [ALWAYS_ON, ALWAYS_OFF])
def test_about_other_spans_the_configured_sampler_decides(base: Sampler) -> None:
    decided = LikeItsLink(base).should_sample(None, 2, "POST /api/tasks")
    assert decided.decision.is_sampled() is (base is ALWAYS_ON)


def test_off_an_attempt_and_a_creation_allocate_nothing() -> None:
    untraced, attempt, outcome = Untraced(), attempt_of(api_url="http://target.test/"), Outcome()

    def run() -> None:
        for _ in range(1_000):
            with untraced.attempt(attempt) as traced:
                traced.ended(outcome, "succeeded")
            no_trace()

    run()
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        run()
        assert sys.getallocatedblocks() - before < 20
    finally:
        gc.enable()
