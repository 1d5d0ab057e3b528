"""The tests on every supported Python that is installed: `.venv/bin/nox`, or `.venv/bin/nox -s tests-3.13 -- -x`."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Install what requirements-dev.txt pins, and run the tests."""
    session.install("-r", "requirements-dev.txt")
    session.run("python", "-m", "pytest", *session.posargs)
