"""Stores tasks and scheduled tasks in Redis, the single source of truth.

No code outside this package accesses task data in Redis. Every change is one Lua script (`lua/`) and therefore atomic;
each script changes a record only if it is still in the state that the caller saw.
"""
