"""Messages for chats: their form, their signatures, what hostile text can't do in them, and what answers mean."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.channels import CHANNEL_KINDS, Notice, NoticeType, compose, judge
from app.domain.channels.notice import _CAUSES, summary_line
from app.domain.channels.parse import changed_channel, parse_channel, read_channels, shown
from app.domain.channels.sending import Answer, HttpMessage, MailMessage, Sending
from app.domain.channels.spec import ChannelFields
from app.domain.errors import InvalidSpec
from app.domain.status import Status
from app.store.firings import OUTCOMES
from tests.examples import scaled

NOW_MS = 1_795_422_600_000
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "123456:ABC-DEF_ghijklmnop"
FIELDS: dict[str, dict[str, Any]] = {
    "webhook": {"url": "https://hooks.example/in?token=t0ken", "secret": SECRET},
    "slack": {"url": "https://hooks.slack.com/services/T0/B0/t0ken"},
    "dingtalk": {"url": "https://oapi.dingtalk.com/robot/send?access_token=t0ken", "secret": "SECt0ken"},
    "feishu": {"url": "https://open.feishu.cn/open-apis/bot/v2/hook/t0ken", "secret": "t0ken2"},
    "lark": {"url": "https://open.larksuite.com/open-apis/bot/v2/hook/t0ken", "secret": "t0ken2"},
    "wecom": {"url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=t0ken"},
    "teams": {"url": "https://prod-1.westeurope.logic.azure.com/workflows/1?sig=t0ken"},
    "telegram": {"secret": TOKEN, "chat_id": "-1001234567890"},
    "email": {
        "url": "smtps://mail.example:465",
        "username": "celeriac",
        "secret": "t0ken",
        "sender": "celeriac@example.com",
        "to": ["ops@example.com"],
    },
}
NOTICE = Notice(
    NoticeType.FAILED,
    "nightly report",
    NOW_MS,
    reason="ZeroDivisionError: division by zero",
    task_id="0198f3c2-5c1e-7a3b-9f21-3d0c8e6b1a42",
    count=3,
)


def channel(kind: str, **more: Any) -> ChannelFields:
    """A channel of a kind."""
    return parse_channel({"kind": kind, **FIELDS[kind], **more})


def composed(kind: str, notice: Notice = NOTICE, **more: Any) -> HttpMessage | MailMessage:
    """The message to a channel of a kind."""
    return compose(channel(kind, **more), notice, Sending("event-1", NOW_MS), "https://tasks.example/")


def body(kind: str, notice: Notice = NOTICE, **more: Any) -> Any:
    """The JSON that is sent to a channel of a kind."""
    message = composed(kind, notice, **more)
    assert isinstance(message, HttpMessage)
    return json.loads(message.body)


def texts(value: Any) -> list[str]:
    """Every string in a JSON value."""
    if isinstance(value, dict):
        return [text for member in value.values() for text in texts(member)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def whole_text(kind: str, notice: Notice = NOTICE, **more: Any) -> str:
    """All text that a message shows, and what else it consists of."""
    message = composed(kind, notice, **more)
    return (
        f"{message.subject}\n{message.text}"
        if isinstance(message, MailMessage)
        else "\n".join(texts(json.loads(message.body)))
    )


def test_every_kind_is_tried_here() -> None:
    assert FIELDS.keys() == CHANNEL_KINDS.keys()


@pytest.mark.parametrize("kind", FIELDS)
def test_a_message_says_what_failed_and_why_and_where_to_look(kind: str) -> None:
    text = whole_text(kind)
    for part in ("nightly report", "ZeroDivisionError: division by zero", "2026-11-23T08:30:00.000Z", NOTICE.task_id):
        assert part in text
    assert f"https://tasks.example/#/tasks/{NOTICE.task_id}" in text
    assert "t0ken" not in text


@pytest.mark.parametrize("kind", sorted(FIELDS.keys() - {"webhook"}))
def test_a_message_is_in_the_language_of_its_channel(kind: str) -> None:
    assert "任务失败：nightly report" in whole_text(kind, language="zh")
    assert "Failed: nightly report" in whole_text(kind)


def test_without_a_public_url_there_is_no_link() -> None:
    message = compose(channel("teams"), NOTICE, Sending("event-1", NOW_MS), "")
    assert isinstance(message, HttpMessage)
    assert json.loads(message.body)["attachments"][0]["content"]["actions"] == []


def test_every_type_of_notice_has_words_in_both_languages_and_a_word_that_all_share() -> None:
    for type_ in NoticeType:
        for language, word in (("en", "Time"), ("zh", "时间")):
            text = whole_text("dingtalk", Notice(type_, "it", NOW_MS), language=language)
            assert "it" in text
            assert word in text  # docs/alerts.md names it as a keyword for DingTalk


CAUSES = [
    *((NoticeType.MISSED, outcome) for outcome in sorted({*OUTCOMES} - {"created"})),
    *((NoticeType.LATE, status) for status in Status if not status.finished),
]


@pytest.mark.parametrize(("type_", "cause"), CAUSES)
def test_a_cause_is_told_in_words_and_to_programs_as_its_outcome_or_status(type_: NoticeType, cause: str) -> None:
    notice = Notice(type_, "nightly", NOW_MS, reason=cause)
    texts = {language: whole_text("dingtalk", notice, language=language) for language in ("en", "zh")}
    words = _CAUSES[type_].values()
    assert texts["en"].split("\n\n")[1] in [word["en"] for word in words]
    assert texts["zh"].split("\n\n")[1] in [word["zh"] for word in words]
    assert body("webhook", notice)["data"]["reason"] == cause


def test_a_summary_says_what_it_holds_in_the_language_of_its_channel() -> None:
    held = [
        Notice(NoticeType.FAILED, "trouble: it", NOW_MS, reason="ValueError: no"),
        Notice(NoticeType.TROUBLE, "workers", NOW_MS, reason="celeriac.api"),
        Notice(NoticeType.WELL, "beat", NOW_MS),
        Notice(NoticeType.TROUBLE, "writes", NOW_MS, reason="Redis is out of memory"),
    ]
    summary = Notice(NoticeType.SUMMARY, "9", NOW_MS, reason="\n".join([*map(summary_line, held), "an: old one", "…"]))
    assert whole_text("dingtalk", summary).split("\n\n")[1].split("\n") == [
        "Failed: trouble: it",
        "Celeriac has trouble: no worker serves the queue celeriac.\u200bapi",
        "This trouble of Celeriac is over: no beat is running, so scheduled tasks do not fire",
        "Celeriac has trouble: writes are refused: Redis is out of memory",
        "an: old one",
        "…",
    ]
    assert "任务失败：trouble: it\nCeleriac 服务异常：没有 worker" in whole_text("dingtalk", summary, language="zh")
    assert body("webhook", summary)["data"]["reason"].startswith("failed: trouble: it\ntrouble: workers celeriac.api\n")


# --- signatures, by lines of the test's own ---------------------------------------------------------


def test_dingtalk_gets_time_and_signature_in_the_url() -> None:
    message = composed("dingtalk")
    assert isinstance(message, HttpMessage)
    query = parse_qs(urlsplit(message.url).query)
    expected = hmac.new(b"SECt0ken", f"{NOW_MS}\nSECt0ken".encode(), hashlib.sha256).digest()
    assert query == {
        "access_token": ["t0ken"],
        "timestamp": [str(NOW_MS)],
        "sign": [base64.b64encode(expected).decode()],
    }


def test_feishu_gets_time_and_signature_in_the_body() -> None:
    sent = body("feishu")
    expected = hmac.new(f"{NOW_MS // 1000}\nt0ken2".encode(), digestmod="sha256").digest()
    assert (sent["timestamp"], sent["sign"]) == (str(NOW_MS // 1000), base64.b64encode(expected).decode())


def test_without_a_secret_nothing_is_signed() -> None:
    message = composed("dingtalk", secret=None)
    assert isinstance(message, HttpMessage)
    assert message.url == FIELDS["dingtalk"]["url"]
    assert "sign" not in body("feishu", secret=None)
    webhook = composed("webhook", secret=None)
    assert isinstance(webhook, HttpMessage)
    assert webhook.headers.keys() == {"webhook-id", "webhook-timestamp"}


def test_a_webhook_is_signed_as_standard_webhooks_has_it() -> None:
    message = composed("webhook")
    assert isinstance(message, HttpMessage)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = b"event-1." + message.headers["webhook-timestamp"].encode() + b"." + message.body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert message.headers["webhook-signature"] == expected
    assert json.loads(message.body)["type"] == "alert.failed"


def test_the_token_of_a_telegram_bot_is_in_the_url_alone() -> None:
    message = composed("telegram")
    assert isinstance(message, HttpMessage)
    assert message.url == f"https://api.telegram.org/bot{TOKEN}/sendMessage"
    assert TOKEN not in repr(message)


# --- hostile text -----------------------------------------------------------------------------------

HOSTILE = (
    "<!channel> <@U123> <https://evil.example|click> @all @everyone @13800000000 *b* _i_ `c` ~s~ # h\n> q\n"
    '[x](https://evil.example) ![i](https://evil.example/i.png) <at user_id="all">all</at> <at id=all></at> '
    "<@userid> <font color=warning>x</font> www.evil.example \u202edesrever\u202c \x1b[31m \x00"
)
HOSTILE_NOTICE = Notice(NoticeType.FAILED, HOSTILE, NOW_MS, reason=HOSTILE, schedule=HOSTILE)
CHATS = sorted(FIELDS.keys() - {"webhook"})


@pytest.mark.parametrize("kind", CHATS)
def test_hostile_text_mentions_nobody_and_links_nowhere(kind: str) -> None:
    text = whole_text(kind, HOSTILE_NOTICE)
    for forbidden in ("@all", "@everyone", "@138", "@U123", "@userid", "https://evil", "www.evil", "evil.example"):
        assert forbidden not in text
    for forbidden in ("\u202e", "\x1b", "\x00"):
        assert forbidden not in text


def test_hostile_text_is_where_each_chat_shows_it_as_it_is() -> None:
    blocks = body("slack", HOSTILE_NOTICE)
    assert blocks["blocks"][0]["text"]["type"] == "plain_text"
    assert "mrkdwn" not in texts(blocks)
    assert not set("<>") & set(blocks["text"])
    assert {
        run["tag"] for row in body("feishu", HOSTILE_NOTICE)["content"]["post"]["zh_cn"]["content"] for run in row
    } == {"text", "a"}
    card = body("teams", HOSTILE_NOTICE)["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert "entities" not in card["msteams"]
    assert "parse_mode" not in body("telegram", HOSTILE_NOTICE)
    assert body("dingtalk", HOSTILE_NOTICE)["msgtype"] == body("wecom", HOSTILE_NOTICE)["msgtype"] == "text"
    assert body("dingtalk", HOSTILE_NOTICE)["at"] == {"isAtAll": False}


def test_the_only_links_are_ours() -> None:
    home = "https://tasks.example/"
    slack = [
        e["url"]
        for b in body("slack", HOSTILE_NOTICE)["blocks"][1:]
        for s in b["elements"]
        for e in s["elements"]
        if e["type"] == "link"
    ]
    telegram = [
        entity["url"] for entity in body("telegram", HOSTILE_NOTICE)["entities"] if entity["type"] == "text_link"
    ]
    assert slack == telegram == [home]


@pytest.mark.parametrize("kind", CHATS)
@settings(max_examples=scaled(30))
@given(subject=st.text(max_size=300), reason=st.text(max_size=3000), schedule=st.text(max_size=300))
def test_any_text_gives_a_message_within_the_limits(kind: str, subject: str, reason: str, schedule: str) -> None:
    notice = Notice(NoticeType.FAILED, subject, NOW_MS, reason=reason, schedule=schedule, task_id=NOTICE.task_id)
    message = composed(kind, notice)
    if isinstance(message, MailMessage):
        assert "\n" not in message.subject
        assert "\r" not in message.subject
        return
    sent = json.loads(message.body)
    assert len(message.body) <= 20_000
    if kind == "wecom":
        assert len(sent["text"]["content"].encode()) <= 2048
        assert sent["text"]["content"].endswith(f"/#/tasks/{NOTICE.task_id}")
    if kind == "telegram":
        units = len(sent["text"].encode("utf-16-le")) // 2
        assert units <= 4096
        assert all(e["length"] > 0 and e["offset"] + e["length"] <= units for e in sent["entities"])
    if kind == "slack":
        assert 0 < len(sent["blocks"][0]["text"]["text"]) <= 150


@pytest.mark.parametrize("subject", ["a.b" * 50, "com.example.jobs." * 9, "@" * 200])
def test_a_headline_is_within_the_limit_of_slack_with_its_gaps(subject: str) -> None:
    headline = body("slack", replace(NOTICE, subject=subject))["blocks"][0]["text"]["text"]
    assert len(headline) == 150
    assert headline.endswith("…")


@pytest.mark.parametrize("reason", ["错" * 4_000, "é.é" * 1_300, "\n" + "😀" * 2_000, "x\n" * 2_000])
def test_a_message_of_wecom_keeps_its_link_however_long_the_error_is(reason: str) -> None:
    text = body("wecom", replace(NOTICE, reason=reason))["text"]["content"]
    assert len(text.encode()) <= 2048
    assert text.endswith(f"https://tasks.example/#/tasks/{NOTICE.task_id}")
    assert reason.strip()[0] in text


# --- answers ----------------------------------------------------------------------------------------

ANSWERS = [
    ("slack", Answer(200, "ok"), "delivered", None),
    ("slack", Answer(429, None, 30), "again", 30),
    ("slack", Answer(404, "no_service"), "failed", None),
    ("slack", Answer(500), "again", None),
    ("teams", Answer(202), "delivered", None),
    ("dingtalk", Answer(200, {"errcode": 0, "errmsg": "ok"}), "delivered", None),
    ("dingtalk", Answer(200, {"errcode": 310000, "errmsg": "sign not match"}), "failed", None),
    ("dingtalk", Answer(200, {"errcode": 130101, "errmsg": "send too fast"}), "again", 600),
    ("dingtalk", Answer(200, {"errcode": -1}), "again", None),
    ("dingtalk", Answer(200, "<html>"), "again", None),
    ("dingtalk", Answer(200, {"errcode": True}), "again", None),
    ("feishu", Answer(200, {"code": 0, "msg": "success"}), "delivered", None),
    ("feishu", Answer(200, {"StatusCode": 0, "StatusMessage": "success"}), "delivered", None),
    ("feishu", Answer(200, {"code": 19021, "msg": "sign match fail"}), "failed", None),
    ("feishu", Answer(200, {"code": 11232, "msg": "too many"}), "again", 60),
    ("feishu", Answer(400, {"code": 9499, "msg": "too many request", "data": {}}), "again", 60),
    ("lark", Answer(400, {"code": 9499, "msg": "too many request", "data": {}}), "again", 60),
    ("feishu", Answer(429, {"code": 99991400}, 90), "again", 90),
    ("feishu", Answer(400, {"code": 19002, "msg": "params error"}), "failed", None),
    ("feishu", Answer(400, {"code": 0}), "failed", None),
    ("wecom", Answer(200, {"errcode": 0}), "delivered", None),
    ("wecom", Answer(200, {"errcode": 93000}), "failed", None),
    ("wecom", Answer(200, {"errcode": 45009}), "again", 60),
    ("telegram", Answer(200, {"ok": True}), "delivered", None),
    ("telegram", Answer(200, "a page"), "again", None),
    ("telegram", Answer(429, {"ok": False, "parameters": {"retry_after": 7}}), "again", 7),
    ("telegram", Answer(401, {"ok": False}), "failed", None),
    ("telegram", Answer(400, {"ok": False, "parameters": {"migrate_to_chat_id": -5}}), "failed", None),
    ("telegram", Answer(400, {"parameters": ["x"]}), "failed", None),
    ("email", Answer(250), "delivered", None),
    ("email", Answer(451), "again", None),
    ("email", Answer(535), "failed", None),
    ("webhook", Answer(204), "delivered", None),
    ("webhook", Answer(410), "failed", None),
    ("webhook", Answer(302), "failed", None),
    ("webhook", Answer(404), "again", None),
]


@pytest.mark.parametrize(("kind", "answer", "outcome", "seconds"), ANSWERS)
def test_an_answer_means(kind: str, answer: Answer, outcome: str, seconds: float | None) -> None:
    verdict = judge(channel(kind), answer)
    found = "delivered" if verdict.is_delivered else "failed" if verdict.is_final else "again"
    assert (found, verdict.retry_after_seconds) == (outcome, seconds)
    assert bool(verdict.error) == (outcome != "delivered")


# --- fields, secrets and files ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", FIELDS)
def test_no_secret_is_shown(kind: str) -> None:
    values = shown(channel(kind))
    assert "t0ken" not in json.dumps(values)
    assert TOKEN not in json.dumps(values)
    assert SECRET not in json.dumps(values)


@pytest.mark.parametrize("kind", FIELDS)
def test_what_is_shown_can_be_put_back(kind: str) -> None:
    stored = channel(kind)
    assert parse_channel(shown(stored), stored.model_dump(mode="json")) == stored


def test_a_change_keeps_what_it_leaves_out() -> None:
    stored = channel("dingtalk").model_dump(mode="json")
    assert changed_channel(stored, {"language": "zh"}) == channel("dingtalk", language="zh")
    assert changed_channel(stored, {"secret": None}) == channel("dingtalk", secret=None)
    assert changed_channel(stored, {"kind": "slack", "url": "https://x.example/y"}).kind == "slack"


INVALID = [
    ({"kind": "pigeon"}, "kind"),
    ({}, "kind"),
    ({"kind": ["slack"]}, "kind"),
    ({"kind": "slack"}, "url"),
    ({"kind": "slack", "url": "ftp://x.example"}, "url"),
    ({"kind": "slack", "url": "https://hooks.slack.com/***"}, "url"),
    ({"kind": "slack", "url": "https://x.example", "secret": "s"}, "secret"),
    ({"kind": "dingtalk", "url": "https://x.example", "secret": "***"}, "secret"),
    ({"kind": "webhook", "url": "https://x.example", "secret": "not a whsec"}, "secret"),
    ({"kind": "telegram", "secret": "x", "chat_id": "1"}, "secret"),
    ({"kind": "telegram", "secret": TOKEN, "chat_id": "me"}, "chat_id"),
    ({**FIELDS["email"], "kind": "email", "url": "https://mail.example"}, "url"),
    ({**FIELDS["email"], "kind": "email", "url": "smtp://user:pw@mail.example"}, "url"),
    ({**FIELDS["email"], "kind": "email", "to": []}, "to"),
    ({**FIELDS["email"], "kind": "email", "to": ["a@b.example\nBcc: c@d.example"]}, "to[0]"),
    ({**FIELDS["email"], "kind": "email", "sender": "x"}, "sender"),
    ({**FIELDS["email"], "kind": "email", "username": "a\nb"}, "username"),
]


@pytest.mark.parametrize(("raw", "field"), INVALID)
def test_an_invalid_channel_is_refused_by_the_name_of_its_field(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_channel(raw)
    assert [problem.field for problem in caught.value.problems] == [field]


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(["***", "https://["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["kind", "url", "secret", "language", "chat_id", "username", "sender", "to", "more"]


@given(raw=st.dictionaries(st.sampled_from(NAMES), ANY_JSON), kind=st.sampled_from(list(FIELDS)))
def test_any_json_is_a_channel_or_is_refused(raw: dict[str, Any], kind: str) -> None:
    stored = channel(kind).model_dump(mode="json")
    for parse in (lambda: parse_channel({"kind": kind, **raw}), lambda: changed_channel(stored, raw)):
        try:
            fields = parse()
        except InvalidSpec:
            continue
        assert parse_channel(fields.model_dump(mode="json")) == fields
        assert isinstance(shown(fields)["url"], str)


def test_a_file_has_a_table_for_each_channel() -> None:
    text = '[ops]\nkind = "slack"\nurl = "https://hooks.slack.com/services/1"\n[mail]\nkind = "wecom"\nurl = "https://x.example"\n'
    assert [(found.name, found.fields.kind) for found in read_channels(text)] == [("ops", "slack"), ("mail", "wecom")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ops\n", "is not valid TOML: .*line 1"),
        ('ops = "slack"\n', "channel ops: must be a table"),
        ('[ops]\nkind = "slak"\n', "channel ops: kind must be one of webhook, slack"),
        (
            '[ops]\nkind = "slack"\n[b]\nkind = "wecom"\nurl = 1\n',
            "channel ops: url is required; channel b: url should be a string",
        ),
        ('["a b"]\nkind = "slack"\n', "channel a b: the name must have"),
    ],
)
def test_a_wrong_file_is_refused_in_plain_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_channels(text)
