"""Signatures of webhooks: the vectors of Standard Webhooks, its own package, and openssl's idea of an HMAC."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.domain.webhooks import SECRET_PATTERN, WebhookSecret, webhook_headers
from app.settings import SettingsError, read_settings

TEXT = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = WebhookSecret.parse(TEXT)
OTHER_TEXT = "whsec_" + base64.b64encode(bytes(range(24))).decode()
OTHER = WebhookSecret.parse(OTHER_TEXT)
EVENT = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'


def test_the_published_vector() -> None:
    assert SECRET.signature(EVENT, 1614265330, BODY) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_openssl_agrees() -> None:
    signed = b"%s.%d.%s" % (EVENT.encode(), 1614265330, BODY)
    key = base64.b64decode(TEXT.removeprefix("whsec_")).hex()
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"]
    digest = subprocess.run(command, input=signed, check=True, capture_output=True).stdout
    assert SECRET.signature(EVENT, 1614265330, BODY) == f"v1,{base64.b64encode(digest).decode()}"


@given(body=st.text(max_size=200), size=st.integers(24, 64))
def test_the_package_of_standard_webhooks_verifies_every_signature(body: str, size: int) -> None:
    key = os.urandom(size)
    text = "whsec_" + base64.b64encode(key).decode()
    data = body.encode()
    headers = dict(webhook_headers(EVENT, int(time.time()), data, [WebhookSecret.parse(text)]))
    Webhook(text).verify(data, headers, json_parse=False)
    moment = datetime.fromtimestamp(1614265330, UTC).replace(tzinfo=None)
    assert Webhook(text).sign(EVENT, moment, body) == WebhookSecret(key).signature(EVENT, 1614265330, data)


def test_there_is_a_signature_for_each_secret() -> None:
    headers = dict(webhook_headers(EVENT, int(time.time()), BODY, [SECRET, OTHER]))
    assert len(headers["webhook-signature"].split(" ")) == 2
    for text in (TEXT, OTHER_TEXT):
        assert Webhook(text).verify(BODY, headers) == {"test": 2432232314}
    stranger = "whsec_" + base64.b64encode(b"x" * 24).decode()
    with pytest.raises(WebhookVerificationError):
        Webhook(stranger).verify(BODY, headers)


def test_a_changed_body_id_or_time_is_noticed() -> None:
    now = int(time.time())
    headers = dict(webhook_headers(EVENT, now, BODY, [SECRET]))
    for changes, body in (
        ({}, BODY + b" "),
        ({"webhook-id": "msg_2"}, BODY),
        ({"webhook-timestamp": str(now + 1)}, BODY),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(TEXT).verify(body, {**headers, **changes}, json_parse=False)


def test_without_a_secret_there_is_no_signature() -> None:
    assert webhook_headers(EVENT, 7, BODY, []) == {"webhook-id": EVENT, "webhook-timestamp": "7"}


def test_a_secret_is_not_shown() -> None:
    assert "key" not in repr(SECRET)


@given(st.from_regex(SECRET_PATTERN, fullmatch=True))
def test_what_the_pattern_describes_is_a_secret(text: str) -> None:
    assert 24 <= len(WebhookSecret.parse(text).key) <= 64


@given(st.binary(min_size=24, max_size=64), st.booleans())
def test_the_pattern_describes_every_secret(key: bytes, padded: bool) -> None:
    text = "whsec_" + base64.b64encode(key).decode()
    assert re.fullmatch(SECRET_PATTERN, text if padded else text.rstrip("="))


def test_padding_may_be_left_out() -> None:
    text = "whsec_" + base64.b64encode(b"x" * 25).decode()
    assert WebhookSecret.parse(text.rstrip("=")) == WebhookSecret.parse(text) == WebhookSecret(b"x" * 25)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must begin with whsec_"),
        (TEXT.removeprefix("whsec_"), "must begin with whsec_"),
        ("whsec_", "must encode 24 to 64 bytes"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "must encode 24 to 64 bytes"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "must encode 24 to 64 bytes"),
        ("whsec_ü", "base64"),
        ("whsec_a b", "base64"),
    ],
)
def test_what_is_no_secret_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        WebhookSecret.parse(text)


def test_the_setting_is_a_list_whose_values_are_never_shown() -> None:
    settings = read_settings({"CALLBACK_SECRETS": f"{TEXT}, {OTHER_TEXT}"})
    assert settings.callback_secrets == (SECRET, OTHER)
    assert repr(settings.callback_secrets) == "(WebhookSecret(), WebhookSecret())"
    with pytest.raises(SettingsError, match=r"^CALLBACK_SECRETS entry 2 must begin with whsec_$"):
        read_settings({"CALLBACK_SECRETS": f"{TEXT},s3cret"})
