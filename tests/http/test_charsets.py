"""Texts whose charset nobody declares: told apart where it is certain, and kept as base64 where it is not."""

from __future__ import annotations

import encodings

import pytest

from tasks.http.charsets import decode, guess, known
from tasks.http.content import interpret

SENTENCES = {
    "gbk": [
        "今天天气很好，我们一起去公园玩吧。",
        "库存不足，请稍后再试",
        "用户名或密码错误，请重新输入。",
        "返回码：1001，签名验证失败",
        "您的验证码是123456，5分钟内有效。",
        "中华人民共和国国家统计局发布最新数据",
        "①登录 ②注册 ③找回密码",
        "气温：25℃～30℃，东南风3-4级★",
        "薛宝钗、贾宝玉与林黛玉之间的故事",
        "价格：128.00元，库存：35件",
        "<title>新浪新闻</title><p>据新华社报道，国务院总理主持召开会议。</p>",
        "参数错误",
    ],
    "big5": [
        "今天天氣很好，我們一起去公園玩吧。",
        "系統發生錯誤，請聯絡管理員",
        "您的驗證碼是123456，請於五分鐘內輸入。",
        "中華民國交通部中央氣象署今日發布豪雨特報",
        "臺灣證券交易所加權股價指數",
        "姓名,年齡,城市",
    ],
    "shift_jis": [
        "今日は天気がいいので、公園に行きましょう。",
        "在庫が不足しています。後でもう一度お試しください。",
        "サーバーエラーが発生しました。",
        "東京都渋谷区で本日開催されます。",
        "株式会社日立製作所",
        "売上高,営業利益,経常利益",
    ],
    "euc_jp": ["今日は天気がいいので、公園に行きましょう。", "ご注文ありがとうございます。"],
    "euc_kr": [
        "오늘은 날씨가 좋아서 공원에 갑시다.",
        "재고가 부족합니다. 나중에 다시 시도하십시오.",
        "서버 오류가 발생했습니다.",
        "비밀번호가 올바르지 않습니다. 다시 입력해 주세요.",
        "대한민국 서울특별시 강남구",
        "매출액, 영업이익, 당기순이익",
        "오늘 기온은 25℃입니다.",
        "이름,나이,주소",
    ],
    "cp1252": [
        "Le café est très bon, n’est-ce pas ? Déjà vu à l’hôtel.",
        "Größe ungültig: bitte später erneut versuchen",
        "El niño comió piñas en España. ¿Dónde está la biblioteca?",
        "Não foi possível concluir a operação",
        "L’état, c’est moi – «oui»",
        "Prix : 12,50 € TTC",
        "Bøger på dansk",
        "naïve",
        "“Smart quotes” – and an em dash — in English…",
        "Användaren hittades inte. Försök igen senare.",
        "L'utente non è stato trovato, riprova più tardi",
        "It’s 20°C outside",
    ],
    "cp1250": ["Zażółć gęślą jaźń, proszę spróbować ponownie później."],
    "cp1251": ["Внутренняя ошибка сервера. Попробуйте позже."],
}


@pytest.mark.parametrize(
    ("charset", "sentence"), [(charset, sentence) for charset, rows in SENTENCES.items() for sentence in rows]
)
def test_a_real_sentence_is_read(charset: str, sentence: str) -> None:
    content = interpret(sentence.encode(charset), "text/plain", is_whole=True)
    assert (content.value, content.encoding) == (sentence, None)


@pytest.mark.parametrize(("charset", "sentence"), [(charset, " ".join(rows)) for charset, rows in SENTENCES.items()])
def test_json_is_read_in_it_too(charset: str, sentence: str) -> None:
    body = f'{{"msg": "{sentence}"}}'.encode(charset)
    assert interpret(body, "application/json", is_whole=True).value == {"msg": sentence}


@pytest.mark.parametrize("charset", ["gbk", "big5", "shift_jis", "euc_kr"])
def test_a_long_text_is_told_by_its_start_and_read_whole(charset: str) -> None:
    text = SENTENCES[charset][0] * 1000
    content = interpret(text.encode(charset), "text/html", is_whole=True)
    assert content.value == text
    cut = interpret(text.encode(charset)[:-1], "text/html", is_whole=False)
    assert str(cut.value) in (text[:-1], text)


def test_python_keeps_nothing_of_an_unknown_charset() -> None:
    kept = len(encodings._cache)
    assert [known(f"x-invented-{number}") for number in range(10)] == [None] * 10
    assert len(encodings._cache) == kept


TOO_LITTLE = [
    "你好".encode("gbk"),
    "你好".encode("big5"),
    "안녕".encode("euc_kr"),
    b"\xff\xfe\xfa",
    b"\x81",
    b"\x00\xe9",
]


@pytest.mark.parametrize("body", TOO_LITTLE)
def test_what_could_be_several_is_not_guessed(body: bytes) -> None:
    assert guess(body) is None


@pytest.mark.parametrize("charset", ["gbk", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251"])
def test_whatever_is_read_was_meant_so(charset: str) -> None:
    """Every cut of every sentence: it is read right, or not at all."""
    for sentence in SENTENCES[charset]:
        for end in range(1, len(sentence) + 1):
            body = sentence[:end].encode(charset)
            found = guess(body)
            if found is not None and not body.isascii():
                assert decode(body, found, is_whole=True) == sentence[:end], (found, sentence[:end])
