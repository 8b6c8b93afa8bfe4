"""Many micro-batches train as one batch does."""

from typing import Any

from conformance import oracle
from conformance.judging import close, close_tensors, paired, require
from conformance.scenarios import Scenario


def equals_one_batch(runs: Any, scenario: Scenario) -> None:
    """Batch b accumulated g times takes the optimizer steps of batch b*g.

    Loss and gradients are compared with the tolerances of `conformance.oracle`: the same sums in
    another order. When they differ, the reference says whether it is by a known mistake.
    """
    many = runs.train(scenario)
    whole = scenario.batch_size * scenario.accumulation
    one = runs.train(scenario.but(batch_size=whole, accumulation=1))
    oracle.judge(runs, many, lambda reference: _same_steps("the reference", many, reference))
    _same_steps("one batch", many, one)
    sizes = [len(step.micro_batches) for step in many.steps]
    require(max(sizes) > 1 or scenario.accumulation == 1, "micro-batches a step", sizes, "several")


def _same_steps(than: str, many: Any, other: Any) -> None:
    for got, expected in paired(f"steps, against {than}", many.steps, other.steps):
        where = f"of step {got.number}, against {than}"
        close(f"the loss {where}", got.loss, expected.loss, oracle.LOSS)
        close_tensors(f"gradients {where}", got.gradients, expected.gradients, oracle.GRADIENT)
