"""The settings as the environment holds them: what is read, and what is refused in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.redis_tls import with_absolute_files
from app.settings import ROOT, SettingsError, absolute_paths, read_settings


@pytest.mark.parametrize(
    ("name", "blank"),
    [
        ("HOST", " "),
        ("VAR_DIR", "\t"),
        ("RATE_LIMIT", " "),  # without a limit only if it says off
        ("SANDBOX_REQUIRE", " "),  # without requirements only if it says none
        ("HTTP_PROXY_URL", " "),
        ("REDIS_URL", "\n"),
        ("PORT", ""),
    ],
)
def test_a_blank_value_counts_as_none(name: str, blank: str) -> None:
    assert read_settings({name: blank}) == read_settings({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "127.0.0.1"),
        ("REDIS_URL", "redis://:secret@redis.example:6379/0"),
        ("TIMEZONE", "Europe/Berlin"),
        ("HTTP_PROXY_URL", "http://proxy.example:3128"),
        ("VAR_DIR", "/var/lib/celeriac"),
    ],
)
def test_blanks_around_a_value_such_as_the_line_end_of_a_secret_are_left_out(name: str, value: str) -> None:
    assert read_settings({name: f" {value}\n"}) == read_settings({name: value})


@pytest.mark.parametrize("name", ["VAR_DIR", "CHANNELS_FILE", "HTTP_CA_BUNDLE"])
def test_a_home_folder_of_nobody_is_said_in_a_sentence(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} ~nobody-has-this-name/x can't be found: "):
        read_settings({name: "~nobody-has-this-name/x"})


def test_a_list_of_no_layers_does_not_turn_the_requirement_off() -> None:
    with pytest.raises(SettingsError, match=r"^SANDBOX_REQUIRE must name layers, or be none$"):
        read_settings({"SANDBOX_REQUIRE": ","})
    assert read_settings({"SANDBOX_REQUIRE": "none"}).sandbox_require == ()


@pytest.mark.parametrize("password", ["12#secret", "12/secret", "secret#", "a/b#c"])
def test_a_password_that_would_end_the_host_of_a_redis_url_is_not_told(password: str) -> None:
    words = "^REDIS_URL must have %23 for a #, %2F for a / and %3F for a [?] in its password$"
    with pytest.raises(SettingsError, match=words):
        read_settings({"REDIS_URL": f"redis://:{password}@redis.example:6379/0"})


@pytest.mark.parametrize(
    "url",
    ["redis://u:a%23b%2Fc@h:6379/0", "unix://:pw@/run/a@b.sock?db=0", "redis://h/0?client_name=a@b", "unix:///a@b"],
)
def test_other_addresses_of_redis_are_taken(url: str) -> None:
    assert read_settings({"REDIS_URL": url}).redis_url == url


KEY = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    "entries",
    [
        f"me:admin:{KEY}\nci:write:{KEY}",  # a block of lines in a Secret
        f"me:admin:{KEY} ci:write:{KEY}",
        f"me:admin:{KEY}é",
        f"me:admin:{KEY}\x7f",
    ],
)
def test_a_key_that_no_header_can_carry_is_refused_and_not_told(entries: str) -> None:
    words = r"^API_KEYS entry 2 \(me\): the key must be printable ASCII without blanks; commas separate the entries$"
    with pytest.raises(SettingsError, match=words):
        read_settings({"API_KEYS": f"first:read:{KEY},{entries}"})


def test_keys_may_stand_on_lines_of_their_own_if_commas_separate_them() -> None:
    keys = read_settings({"API_KEYS": f"me:admin:{KEY}!~:,\nci:write:{KEY},\n"}).api_keys
    assert [(key.name, key.secret) for key in keys] == [("me", f"{KEY}!~:"), ("ci", KEY)]


@pytest.mark.parametrize("separator", ["\n", " "])
def test_callback_secrets_without_commas_between_them_are_refused(separator: str) -> None:
    secret = f"whsec_{KEY}"
    with pytest.raises(SettingsError, match=r"^CALLBACK_SECRETS entry 1 must be whsec_ followed by base64$"):
        read_settings({"CALLBACK_SECRETS": secret + separator + secret})


@pytest.mark.parametrize(
    "value",
    ["proxy.example:3128", "socks5://:secret@proxy", "http://", "http://:secret@proxy:99999", "http://[::1", "none"],
)
def test_a_proxy_that_workers_could_not_use_is_refused_and_not_told(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^HTTP_PROXY_URL must be http\(s\)://\[user:password@\]host\[:port\]$"):
        read_settings({"HTTP_PROXY_URL": value})


@pytest.mark.parametrize("value", ["http://proxy", "https://user:secret@proxy.example:3128", "http://[::1]:3128/"])
def test_a_proxy_is_taken_as_it_is(value: str) -> None:
    assert read_settings({"HTTP_PROXY_URL": value}).http_proxy_url == value


def test_paths_lead_to_the_same_files_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ops.toml").write_text('[ops]\nkind = "webhook"\nurl = "https://example.com/"\n')
    monkeypatch.chdir(tmp_path)
    environ = {"CHANNELS_FILE": " ops.toml", "VAR_DIR": "data"}
    before = read_settings(environ)
    environ |= absolute_paths(environ, before)
    monkeypatch.chdir("/")
    assert read_settings(environ) == before
    assert environ == {"CHANNELS_FILE": f"{tmp_path}/ops.toml", "VAR_DIR": f"{tmp_path}/data"}


@pytest.mark.parametrize("scheme", ["rediss", "sentinels"])
def test_files_of_a_redis_url_are_the_same_from_another_folder(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "the ca+.pem").touch()
    monkeypatch.chdir(tmp_path)
    url = with_absolute_files(
        f"{scheme}://user:secret@[::1]:1,b:2/0?db=3&ssl_ca_certs=the+ca%2B.pem&ssl_certfile=/c.pem"
    )
    assert url == (
        f"{scheme}://user:secret@[::1]:1,b:2/0?db=3&ssl_ca_certs={tmp_path}/the%20ca%2B.pem&ssl_certfile=/c.pem"
    )


def test_other_urls_stay_as_they_are() -> None:
    for url in ("", "redis://localhost:6379/0", "unix:///run/redis.sock?db=0", "rediss://h/0?ssl_cert_reqs=none"):
        assert with_absolute_files(url) == url


@pytest.mark.parametrize("name", ["nosuchmodule", "nosuchmodule.part", "math;os", "json.", "../x"])
def test_a_module_for_programs_that_is_not_installed_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^SANDBOX_EXTRA_MODULES must be a list of modules that are installed; "):
        read_settings({"SANDBOX_EXTRA_MODULES": f"csv, {name}"})
    assert read_settings({"SANDBOX_EXTRA_MODULES": "csv, xml.dom"}).sandbox_extra_modules == ("csv", "xml.dom")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone says on which cores a process runs")
def test_defaults_follow_the_cores_that_the_process_may_use_not_those_of_the_machine() -> None:
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from app.settings import read_settings; settings = read_settings({})\n"
        "print(settings.api_processes, settings.code_concurrency)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "1 2\n"
