"""Leases of running attempts: which are in flight, how they are renewed, and what ends one that has run out."""
