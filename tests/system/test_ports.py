"""The ports of servers that tests start as processes."""

from __future__ import annotations

from tests.system import free_port, ports_of_kernel


def test_a_free_port_stays_free_while_others_ask_the_kernel_for_any() -> None:
    ports = [free_port() for _ in range(100)]
    assert not {*ports} & {*ports_of_kernel()}
    assert len({*ports}) > 80
