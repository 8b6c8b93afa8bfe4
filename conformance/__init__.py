"""Conformance of ``transformers.Trainer.train()`` with PEFT adapters to its documented contract.

The rooms are listed in the README; beside them lie, of a run: `cli` and `options`; `session` (the
run), `collector` (what its workers say), `plugin` and `marks` (the suite under pytest), `verdicts`
(from what a test raised to a verdict), `judging` and `oracle` (what tests judge by), `baselines`,
`progress`, `steady` (the same run in other surroundings). Of the process: `device` and `cards`,
`leaving` (nothing is left behind), `undoing` (nor changed by a case), `one_thread` (when forking is
safe), `launchers` (what they leave in the environment), `memory`, `redacting` (secrets), `paths`.
"""

__version__ = "0.1.0"
