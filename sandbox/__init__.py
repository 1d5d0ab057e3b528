"""Runs a Python program that nobody has reviewed, in a process of its own that can do nothing else.

Theory of operation
===================

    caller ── Sandbox.run() ──┐  one socket per child: job in, output and one reply out
                              │
    parent (this process)     │        zygote (own process, exec'ed, locked in)        children
    ───────────────────────   │        ───────────────────────────────────────        ────────────────
    Sandbox  spare children ──┴──────▶ forks on request, reaps, reports deaths  ────▶ lock down, wait,
    Link     control socket  ◀───────  has no secret, socket, file, environment       run ONE program

1. The parent starts the *zygote* (there are two: see README.md): a fresh interpreter that imports what programs may
   use, then locks itself in (`inside/confine.py`: namespaces, an empty root, another user, Landlock and more) and forks
   on request.
2. Each *child* is forked, gives up what is left (`inside/lockdown.py`: descriptors, limits, seccomp) and waits for its
   job. Children are forked ahead of time, so a task waits for neither the fork nor the lock-down. A child runs
   exactly one program and ends.
3. In the child the program is compiled under a RestrictedPython policy (`inside/policy.py`) and run with guarded
   builtins (`inside/guards.py`) and façades of modules (`inside/modules.py`). RestrictedPython says of itself that it
   is no sandbox: it is the first wall, and the walls of 1 and 2 hold without it.
4. The parent trusts no byte from a child (`parent.py`, `reply.py`): it reads a bounded number of them, checks the form
   of the one reply, keeps the wall clock itself, and kills. What goes wrong with the program is in the Verdict; what
   goes wrong with the sandbox raises SandboxError, and the run may be tried again.

When the parent's end of the control socket closes, the zygote ends. It is the first process of its namespace, so all
children end with it. `layers` says which layers this machine cannot provide, and why.

The package depends on nothing but RestrictedPython (in the zygote only), tzdata and the standard library.
"""

from sandbox.cancel import Cancel
from sandbox.parent import Sandbox
from sandbox.verdict import Failure, LayersMissing, Limits, Problem, Program, SandboxError, Verdict

__all__ = [
    "Cancel",
    "Failure",
    "LayersMissing",
    "Limits",
    "Problem",
    "Program",
    "Sandbox",
    "SandboxError",
    "Verdict",
]
