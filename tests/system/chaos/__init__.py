"""Everything is killed at random, and counted afterwards: nothing lost, nothing doubled, nothing stuck.

    python -m pytest tests/system/chaos                          a minute, as in CI
    python -m pytest tests/system/chaos --minutes 10 --seed 7    for long, and again what a run did

Theory of operation. A seed makes a plan (plan.py): which tasks are created when, and what is done when to whom. The
cluster (cluster.py) is real processes: an API, two workers, two beats, and a Redis that writes each command to
disk before it answers. Each of them reaches Redis through a proxy of its own (proxy.py), so that one alone can be
cut off. The load (load.py) sends the plan's tasks and writes down what it was told (ledger.py); the monkey (monkey.py)
does the plan's harm, and mends it; API tasks call a target that writes down who called when (target.py).

    load ──HTTP──► api ────┐
    monkey ─signals► worker-1 ├─ proxy each ─► redis
                   worker-2 │
           target ◄─HTTP─┘  │
                   beat-1,2 ┘

When the time is over everything runs again, and the run settles: every task has to finish (run.py). Then each
check (checks/) compares what was promised with the records, the target's calls, the workers' logs and the keys, and
says what it finds as a Finding (findings.py). A run without findings passes.

A seed gives the same plan again, not the same moments: what the processes were doing when the harm came differs.
"""
