"""Traces: a collector on loopback, and what reaches it from real processes."""
