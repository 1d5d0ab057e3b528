"""Sends deliveries: callbacks of finished tasks, and notices to channels (docs/decisions/0025)."""
