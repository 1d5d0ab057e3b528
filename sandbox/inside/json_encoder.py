"""The encoder of `json`, which holds what it encodes."""

from __future__ import annotations

import json
from typing import Any


def guard_json() -> None:
    """The encoder in C holds what it encodes only if it watches for circles: a `default` could let go of it."""
    original = json.encoder.c_make_encoder  # type: ignore[attr-defined]

    def make_encoder(markers: Any, *more: Any) -> Any:
        return original({} if markers is None else markers, *more)

    json.encoder.c_make_encoder = make_encoder  # type: ignore[attr-defined]
