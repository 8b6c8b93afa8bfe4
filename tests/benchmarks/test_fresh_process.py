"""Too little memory is a finding with numbers, and the next smaller batch is tried.

There is no card here that could be full: `torch.OutOfMemoryError` is raised by a model that lies.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from conformance.benchmarks import fresh_process, measuring
from conformance.benchmarks.cases import ACCELERATE, PYTHON, TORCHRUN, Training
from conformance.benchmarks.figures import speed
from conformance.benchmarks.fresh_process import MeasuringFailed, TooLarge, in_a_process, measured
from conformance.benchmarks.measuring import HAND, TRAINER, Measured, Order, measure
from conformance.benchmarks.statistics import median

TINY = Training("tiny", "lora", batch=4, accumulation=3, sequence=16)
SHORT = Order(TINY, "cpu", windows=2, warm_up=2, shortest=0.0)
GIB = 2**30


def roomy(rows: int) -> Callable[[Order], Measured]:
    """A lying card with room for so many rows at a time; keeps what it was asked."""

    def attempt(order: Order) -> Measured:
        attempt.asked.append((order.training.batch, order.training.accumulation))  # type: ignore[attr-defined]
        if order.training.batch <= rows:
            return Measured(figures={"batch": order.training.batch})
        full = {"message": "tried to allocate", "batch": order.training.batch}
        return Measured(full={**full, "memory_free": GIB, "memory_total": 80 * GIB})

    attempt.asked = []  # type: ignore[attr-defined]
    return attempt


def test_the_next_smaller_batch_is_tried_and_every_try_is_told() -> None:
    attempt = roomy(1)
    found = measured(SHORT, attempt)
    assert attempt.asked == [(4, 3), (2, 6), (1, 12)]  # type: ignore[attr-defined]
    told = "memory free 1.00 GiB, memory total 80.00 GiB; tried to allocate"
    assert found.figures == {"batch": 1, "full_at_4": told, "full_at_2": told}


def test_what_fits_is_measured_once() -> None:
    attempt = roomy(4)
    assert measured(SHORT, attempt).figures == {"batch": 4}
    assert attempt.asked == [(4, 3)]  # type: ignore[attr-defined]


def test_one_row_that_does_not_fit_fails_with_numbers() -> None:
    with pytest.raises(TooLarge, match=r"1 row of 16 tokens.*full_at_1.*80\.00 GiB"):
        measured(SHORT, roomy(0))


def test_running_out_of_memory_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that lies: it claims to run out of memory for more than two rows."""
    real = measuring.model

    def lying(*given: Any) -> Any:
        model = real(*given)

        def look(_: Any, arguments: Any, named: Any) -> None:
            if len(named["input_ids"]) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        model.register_forward_pre_hook(look, with_kwargs=True)
        return model

    monkeypatch.setattr(measuring, "model", lying)
    full = measure(SHORT).full
    assert full["batch"] == 4
    assert full["message"] == "CUDA out of memory. Tried to allocate 2.00 GiB."
    assert full["peak_resident"] > 0  # type: ignore[operator]
    found = measured(SHORT, measure)
    assert found.figures["batch"] == 2
    assert "Tried to allocate" in str(found.figures["full_at_4"])
    assert len(found.samples[TRAINER]) == 2


def test_both_loops_train_in_a_fresh_process() -> None:
    found = in_a_process(SHORT)
    assert {name: len(values) for name, values in found.samples.items()} == {TRAINER: 2, HAND: 2}
    assert found.figures["moved"] == 8
    assert found.figures["processed_a_step"] == 4 * 3 * 16
    assert found.figures["supervised_a_step"] == 4 * 3 * 12
    assert found.figures["checkpoint_bytes"] > 4 * 7168  # type: ignore[operator]


def test_a_process_that_dies_is_told_with_its_last_words() -> None:
    with pytest.raises(MeasuringFailed, match="KeyError: 'no such shape'"):
        in_a_process(Order(Training("no such shape", "lora"), "cpu"))


def test_launched_by_torchrun_two_ranks_train_together() -> None:
    found = in_a_process(replace(SHORT, training=replace(TINY, launch=TORCHRUN), warm_up=10))
    assert found.figures["world_size"] == 2
    assert set(found.samples) == {TRAINER}
    assert speed(found, "")["tokens_a_second"] == pytest.approx(
        2 * 4 * 3 * 16 / median(found.samples[TRAINER]).value
    )


def test_launched_by_accelerate() -> None:
    found = in_a_process(replace(SHORT, training=replace(TINY, launch=ACCELERATE), warm_up=10))
    assert (found.figures["launch"], found.figures["world_size"]) == (ACCELERATE, 1)
    assert found.figures["loss"] > 0  # type: ignore[operator]


@pytest.mark.parametrize(
    ("launch", "cards", "wanted"),
    [
        (TORCHRUN, 1, "--nproc-per-node=1"),
        (TORCHRUN, 8, "--nproc-per-node=8"),
        (ACCELERATE, 1, "--num_processes=1"),
        (ACCELERATE, 8, "--multi_gpu"),
    ],
)
def test_one_card_is_one_rank_and_several_are_several(
    monkeypatch: pytest.MonkeyPatch, launch: str, cards: int, wanted: str
) -> None:
    monkeypatch.setattr(fresh_process, "count", lambda: cards)
    command = fresh_process.launcher(Order(replace(TINY, launch=launch), "cuda"), "python")
    assert wanted in command
    assert "--cpu" not in command


def test_a_plain_process_sees_one_card_and_a_launcher_all(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"CUDA_VISIBLE_DEVICES": "2", "PEFT_CONFORMANCE_CARDS": "2,3"}
    plain, launched = (
        fresh_process._environment(Order(replace(TINY, launch=launch), "cuda"), given)
        for launch in (PYTHON, TORCHRUN)
    )
    assert plain["CUDA_VISIBLE_DEVICES"] == "2"
    assert launched["CUDA_VISIBLE_DEVICES"] == "2,3"
