"""How data of an older form is brought to the next form: the steps to each form, in their order.

The exclusive steps come first. Until they are done, the scripts of all versions refuse the data, so they are for what
no script could cope with, and take seconds. The other steps run a little at a time while the data is in use, so this
version must cope with records before and after them.

Each step is a series of bounded parts. A part may be done twice, by processes that die, or by two at once.
CONTRIBUTING.md says how to add a form.
"""

from __future__ import annotations

from app.store.migrations import batches, names, schedules, tasks
from app.store.migrations.step import Data, Part, Step, Work

__all__ = ["STEPS", "Data", "Part", "Step", "Work"]

#: form -> the steps that lead to it from the form before.
STEPS: dict[int, tuple[Step, ...]] = {2: (names.STEP, schedules.STEP, batches.STEP, tasks.STEP)}
