"""The URLs that are accepted at all."""

from __future__ import annotations

import pytest

from tasks.http import InvalidURL, check_url
from tasks.http.urls import target_of

# URL, the host and port it leads to
GOOD = [
    ("http://example.com", "example.com", 80),
    ("HTTPS://Example.COM/a?b#c", "example.com", 443),
    ("http://example.com:8080/", "example.com", 8080),
    ("http://example.com:/", "example.com", 80),
    ("http://example.com./", "example.com.", 80),  # the dot says: no search domain
    ("http://localhost:5001/a@b", "localhost", 5001),  # "@" after the authority is a path
    ("http://example.com?user@host", "example.com", 80),
    ("http://snake_case.internal/", "snake_case.internal", 80),
    ("http://[::1]:81/", "::1", 81),
    ("http://[fe80::1%25eth0]/", "fe80::1%eth0", 80),
    ("http://bücher.example/", "xn--bcher-kva.example", 80),
    ("http://例え.テスト/", "xn--r8jz45g.xn--zckzah", 80),
    ("http://0x7f.1/", "0x7f.1", 80),  # which address it is, is judged where it is dialled
    ("http://2130706433/", "2130706433", 80),
    ("http://example.com/a b/é", "example.com", 80),
    ("http://" + "a" * 63 + ".com/", "a" * 63 + ".com", 80),
    ("http://example.com/" + "a" * (8192 - 19), "example.com", 80),
]

BAD = [
    "",
    "example.com",
    "//example.com",
    "http:example.com",
    "http:/example.com",
    "http:///path",
    "http://",
    "http://?x",
    "http://:80/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "httpx://example.com/",
    "http://user:password@example.com/",
    "http://user@example.com/",
    "http://@example.com/",
    "http://good.example\\@127.0.0.1/",
    "http://good.example\\.127.0.0.1/",
    "http://good.example#@127.0.0.1:1@/".replace("#", "%23"),
    "http://exa mple.com/",
    " http://example.com/",
    "http://example.com/\r\nX: y",
    "http://example.com/\tx",
    "http://example.com/\x00",
    "http://exam\nple.com/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:-1/",
    "http://example.com:8o/",
    "http://example.com:80:80/",
    "http://%31%32%37.0.0.1/",
    "http://exa%00mple.com/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://[::1/",
    "http://::1/",
    "http://[::g]/",
    "http://[127.0.0.1]/",
    "http://[v1.fe80::1]/",
    "http://[fe80::1%25eth0/../x]/",
    "http://a..b/",
    "http://.example.com/",
    "http://*.example.com/",
    "http://" + "a" * 64 + ".com/",
    "http://" + "a." * 127 + "com/",
    "http://" + "ü" * 300 + ".com/",
    "http://xn--\u200d.com/",
    "http://exa\u00admple..com/",
    "http://\ud800.com/",
    "http://example.com/" + "a" * 8192,
    "http://example.com/" + "é" * 4096,  # bytes, not characters
]


@pytest.mark.parametrize(("url", "host", "port"), GOOD)
def test_a_valid_url_leads_to_its_host(url: str, host: str, port: int) -> None:
    check_url(url)
    target = target_of(url)
    assert (target.host, target.port) == (host, port)


@pytest.mark.parametrize("url", BAD)
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        check_url(url)
    assert caught.value.type == "InvalidURL"
    assert "password" not in caught.value.message or "may not hold" in caught.value.message
