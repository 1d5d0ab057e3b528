"""Imports of many modules at once, when a process starts."""

from __future__ import annotations

import gc
import importlib


def import_for_good(*modules: str) -> None:
    """Import what this process and its forks need until their end, and leave it out of all collections of garbage.

    A collection in a fork would copy the memory that it shares with the others. None is made meanwhile: modules leave
    next to no garbage, and looking for it takes a fifth of the time.
    """
    gc.disable()
    try:
        for module in modules:
            importlib.import_module(module)
        gc.freeze()
    finally:
        gc.enable()
