"""The code of docs/callbacks.md verifies what Celeriac signs, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from app.domain.webhooks import WebhookSecret, webhook_headers
from tests.servers import ROOT

PAGE = (ROOT / "docs" / "callbacks.md").read_text()
TEXT = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"task.succeeded","data":{"name":"ü"}}'.encode()


def block(language: str, part: str) -> str:
    """The code block that contains `part`."""
    (found,) = [text for text in re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S) if part in text]
    return str(found)


def headers_at(timestamp: int) -> dict[str, str]:
    return dict(webhook_headers("msg_1", timestamp, BODY, [WebhookSecret.parse(TEXT)]))


def test_the_receivers_code_verifies_a_callback() -> None:
    code: dict[str, Any] = {"__name__": "page"}
    exec(block("python", "def verify"), code)
    now = int(time.time())
    assert code["verify"](TEXT, headers_at(now), BODY)["type"] == "task.succeeded"
    wrong = [
        (headers_at(now), BODY + b" "),
        (headers_at(now - 400), BODY),
        ({**headers_at(now), "webhook-id": "2"}, BODY),
    ]
    for headers, body in wrong:
        with pytest.raises(ValueError, match=r"too old|not signed"):
            code["verify"](TEXT, headers, body)


def test_the_commands_compute_the_signature(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    headers = headers_at(1_795_853_621)
    env = {**os.environ, "CALLBACK_SECRETS": TEXT, "ID": "msg_1", "TIMESTAMP": "1795853621", "BODY": "body"}
    command = ["bash", "-ec", block("bash", "openssl dgst")]
    done = subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True, text=True)
    assert f"v1,{done.stdout.strip()}" == headers["webhook-signature"]
