"""What the loops of a worker and of beat log while Redis is away: one line when it goes, and one when it is back."""

from __future__ import annotations

import logging

from app.domain.errors import Unavailable, outage, reason_of


class OutageLog:
    """Says each once, by the logger of a loop. Not thread-safe."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._is_away = False

    def away(self, error: Unavailable) -> None:
        """A round of the loop has failed so."""
        if not self._is_away:
            self._logger.warning(outage(error), extra={"action": "redis_away", "reason": reason_of(error)})
        self._is_away = True

    def back(self) -> None:
        """A round has not failed."""
        if self._is_away:
            self._logger.info("Redis is back", extra={"action": "redis_back"})
        self._is_away = False
