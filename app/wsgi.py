"""The API as a WSGI application, `web`, for granian or `gunicorn 'app.wsgi:web'`.

Importing this module starts the API: it reads the settings, finds the Redis, and starts the zygote in which programs
are checked before they are accepted.
"""

from __future__ import annotations

from app.application import build
from app.domain.errors import OtherForm
from app.launch.child import die_with_parent
from app.launch.open_files import allow_many
from app.launch.serving import collect_rarely
from app.settings import SettingsError
from sandbox import SandboxError

die_with_parent()
allow_many()
try:
    web = build()
except (SettingsError, SandboxError, OtherForm) as error:
    raise SystemExit(f"the API can't start: {error}") from None
collect_rarely()
