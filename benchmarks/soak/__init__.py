"""A soak: does anything grow while the service runs a steady mix of work?

    python -m benchmarks soak --minutes 30

The whole service runs as a user starts it, and keeps finished tasks for a minute only, so that all it keeps reaches a
steady level. `load.py` makes the work, `samples.py` reads every figure at intervals, `trend.py` fits a line to each
figure after the warm-up and judges its slope, `report.py` writes `soak.json` and `soak.svg`.

What is full only after hours is left out of the figures of Redis, and counted separately (`SLOW_TO_FILL` of
`samples.py`): each of these has a bound of its own.
"""
