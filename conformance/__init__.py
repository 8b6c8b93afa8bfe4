"""Conformance of ``transformers.Trainer.train()`` with PEFT adapters to its documented contract.

The rooms are listed in the README. Beside them lie, of a run:

- `cli` and `options`; `session` is the run, `resuming` goes on with one that was broken off,
  `collector` hears its workers, `progress` shows it, `steady` repeats it in other surroundings
- the suite under pytest: `pytest_run` calls it, `plugin` and `marks` make its cases, `verdicts` is
  what becomes of what a test raised
- what tests judge by: `judging` (comparisons that note evidence) and `oracle` (tolerances)
- `baselines`: the committed records that a run is compared with; `rewriting` them

and of the process: `device` and `cards`; `leaving` (nothing is left behind) and `undoing` (nothing
is left changed by a case); `one_thread` (when forking is safe); `launchers` (what they leave in the
environment); `memory`, `printed` (in bounds), `redacting` (of secrets), `paths`.
"""

__version__ = "0.1.0"
