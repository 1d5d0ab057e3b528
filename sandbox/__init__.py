"""Runs a Python program that nobody has reviewed, in a process of its own that can do nothing else.

Theory of operation
===================

    caller ── Sandbox.run() ──┐  one socket per child: job in, output and one reply out
                              │
    parent (this process)     │        zygote (own process, exec'ed, locked in)        children
    ───────────────────────   │        ───────────────────────────────────────        ────────────────
    Sandbox  spare children ──┴──────▶ forks on request, reaps, reports deaths  ────▶ lock down, wait,
    Link     control socket  ◀───────  has no secret, socket, file, environment       run ONE program

1. The parent starts the *zygote*: a fresh interpreter that imports what programs may use, then locks itself in
   (`inside/confine.py`: namespaces, an empty root, another user, no_new_privs, Landlock) and forks on request.
2. Each *child* is forked, gives up what is left (`inside/lockdown.py`: session, descriptors, rlimits, seccomp) and
   waits for its job. Children are made ahead of the task, so neither fork nor set-up is in its latency. A child
   serves exactly one program and ends.
3. In the child the program is compiled under a RestrictedPython policy (`inside/policy.py`) and run with guarded
   builtins (`inside/guards.py`) and façades of modules (`inside/modules.py`). By its own words RestrictedPython is
   no sandbox: it is the first wall, and 1 and 2 hold without it.
4. The parent believes no byte of a child (`parent.py`): it reads a bounded number of them, checks the form of the
   one reply, keeps the wall clock itself, and kills. What goes wrong with the program is a Verdict; what goes wrong
   with the sandbox is a SandboxError, and may be tried again.

The parent's end of the control socket closing is how the zygote knows that it is alone; it ends, and with it, as the
first process of their namespace, all children. Where the machine can't give a layer, `layers` says why.

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
