"""The syntax of a task's URL."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.url import MAX_URL_BYTES, check_url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com/",
        "HTTPS://EXAMPLE.COM/",
        "http://localhost:8080/a?b=c#d",
        "http://127.0.0.1/",
        "http://[::1]:8080/",
        "http://xn--bcher-kva.example/",
        "http://bücher.example/größe",
        "http://my_host.internal./",
        "http://" + "a" * 63 + ".example/",
        "http://example.com/a@b?c=d@e",  # an @ after the host is not part of a user name
        "http://example.com/" + "x" * (MAX_URL_BYTES - 19),
    ],
)
def test_a_valid_url_is_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/" + "x" * (MAX_URL_BYTES - 18), "must have at most 8192 bytes"),
        ("http://example.com/" + "é" * (MAX_URL_BYTES // 2), "must have at most 8192 bytes"),
        ("http://example.com/a b", "must not contain spaces or control characters"),
        (" http://example.com/", "must not contain spaces or control characters"),
        ("http://example.com/\r\nX: y", "must not contain spaces or control characters"),
        ("http://exa\tmple.com/", "must not contain spaces or control characters"),
        ("http://example.com/\x7f", "must not contain spaces or control characters"),
        ("http://[::1", "is not a valid URL"),
        ("http://example.com:port/", "is not a valid URL"),
        ("http://example.com:65536/", "is not a valid URL"),
        ("", "must start with http:// or https://"),
        ("example.com", "must start with http:// or https://"),
        ("//example.com", "must start with http:// or https://"),
        ("ftp://example.com/", "must start with http:// or https://"),
        ("file:///etc/passwd", "must start with http:// or https://"),
        ("javascript:alert(1)", "must start with http:// or https://"),
        ("gopher://example.com/", "must start with http:// or https://"),
        ("http://user@example.com/", "must not contain a user name or password"),
        ("http://user:secret@example.com/", "must not contain a user name or password"),
        ("http://@example.com/", "must not contain a user name or password"),
        ("http://", "does not have a valid host"),
        ("http:///path", "does not have a valid host"),
        ("http://:80/", "does not have a valid host"),
        ("http://evil.example\\.example.com/", "does not have a valid host"),
        ("http://a..b/", "does not have a valid host"),
        ("http://./", "does not have a valid host"),
        ("http://" + "a" * 64 + ".example/", "does not have a valid host"),
        ("http://[v1.x]/", "does not have a valid host"),
        ("http://exa$mple.com/", "does not have a valid host"),
        ("http://exa%6dple.com/", "does not have a valid host"),
        ("http://[fe80::1%25eth0]/", "does not have a valid host"),
        ("http://example.com:0/", "does not have a valid port"),
    ],
)
def test_an_invalid_url_is_refused_with_the_reason(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_url(url)


@given(st.text(st.characters(exclude_categories=()), max_size=60), st.sampled_from(["", "http://", "http://["]))
def test_any_text_is_accepted_or_raises_value_error(text: str, start: str) -> None:
    with contextlib.suppress(ValueError):
        check_url(start + text)
