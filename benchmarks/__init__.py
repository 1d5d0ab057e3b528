"""Measurements. `python -m benchmarks` runs them all; every figure of the README comes from here."""
