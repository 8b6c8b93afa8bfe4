"""The loss that an evaluation reports, held against one computed by hand."""

from conformance import oracle
from conformance.judging import Violation, close
from conformance.running.data import EVALUATION_BATCH
from conformance.running.observation import Tensors
from conformance.running.reference import DOCUMENTED, UNSHIFTED, evaluate_by_hand
from conformance.scenarios import Scenario

BY_BATCH = "a mean of batches, in which a shorter last one weighs as much as the others"
MISTAKES = {
    UNSHIFTED: (UNSHIFTED, 0),
    BY_BATCH: (DOCUMENTED, EVALUATION_BATCH),
    f"{BY_BATCH}, {UNSHIFTED}": (UNSHIFTED, EVALUATION_BATCH),
}


def is_the_loss(what: str, got: float, scenario: Scenario, adapter: Tensors) -> None:
    """``got`` is the mean loss over the evaluation data with these trained tensors.

    Where it is not, a known mistake that gives it is named, by which a deviation is recognised.
    """
    try:
        close(what, got, evaluate_by_hand(scenario, adapter), oracle.LOSS)
    except Violation as violation:
        mistake = _mistake(scenario, adapter, got)
        why = f"{violation.got}{mistake and f'; the loss is {mistake}'}"
        raise Violation(what, why, violation.expected) from None


def _mistake(scenario: Scenario, adapter: Tensors, got: float) -> str:
    for name, how in MISTAKES.items():
        wrong = evaluate_by_hand(scenario, adapter, *how)
        if abs(got - wrong) <= oracle.LOSS * max(1.0, wrong):
            return name
    return ""
