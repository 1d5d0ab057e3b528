"""The record of tasks, in Redis: the only truth.

Nothing outside this package speaks to Redis on behalf of tasks. Every change is one Lua script (`lua/`),
so each is whole or did not happen; each changes a task "only if it still is" what the caller saw.
"""
