"""Chapter throughput: how fast and how large, in steady state; measured, never asserted on."""

import math

import pytest

from conformance.benchmarks import figures
from conformance.benchmarks.cases import DEFAULT, PYTHON, trainings
from conformance.benchmarks.measuring import HAND, TRAINER
from conformance.judging import note, note_samples, require
from conformance.marks import clause

PLAIN = (DEFAULT, PYTHON)
pytestmark = pytest.mark.timeout(1800)


def pytest_generate_tests(metafunc):
    """One item for each training of the test's methods that the run measures."""
    methods = getattr(metafunc.function, "methods", ())
    profile = metafunc.config.getoption("--conformance-measure")
    rows = getattr(metafunc.function, "rows", None)
    found = [
        each
        for each in trainings(profile)
        if each.method in methods and (rows is None or (each.kernels, each.launch) in rows)
    ]
    metafunc.parametrize("training", [pytest.param(each, id=each.id) for each in found])


def measuring(*methods, rows=None):
    """The methods whose trainings a test measures; ``rows`` of kernels and launch, or all."""

    def marked(test):
        test.methods, test.rows = methods, rows
        return test

    return marked


def trained(found):
    """It trained: something moved, and the losses are numbers."""
    moved, told = found.figures["moved"], ("loss", "loss_by_hand")
    losses = [found.figures[name] for name in told if name in found.figures]
    require(bool(losses), "losses", losses, "at least one")
    require(moved > 0, "trained tensors that moved", moved, "at least one")
    require(all(map(math.isfinite, losses)), "losses", losses, "finite")
    return found


def timed(bench, training):
    """Tokens per second, step time, utilisation and memory of a training."""
    found = trained(bench(training))
    note(**bench.speed(training))
    note_samples(figures.samples(found, TRAINER))


@clause("throughput.lora")
@measuring("lora")
def test_lora(bench, training):
    """How fast the documented LoRA recipe trains."""
    timed(bench, training)


@clause("throughput.qlora")
@measuring("qlora")
def test_qlora(bench, training):
    """How fast the documented QLoRA recipe trains."""
    timed(bench, training)


@clause("throughput.trainer-overhead")
@measuring("lora", "qlora", rows=(PLAIN,))
def test_trainer_overhead(bench, training):
    """What a step by the Trainer takes over one of a loop written by hand, in the same process."""
    found = trained(bench(training))
    note(**figures.overhead(found))
    note_samples(figures.samples(found, TRAINER, HAND))


@clause("throughput.adapter-saving")
@measuring("full")
def test_full(bench, training):
    """How fast full fine-tuning trains, to set LoRA beside it."""
    timed(bench, training)


@clause("throughput.adapter-saving")
@measuring("full", rows=(PLAIN,))
def test_adapter_saving(bench, training):
    """What LoRA takes of the time, memory and checkpoint of full fine-tuning."""
    lora = next(
        each
        for profile in ("cpu", "full")
        for each in trainings(profile)
        if (each.shape, each.method) == (training.shape, "lora")
        and (each.kernels, each.launch) == PLAIN
    )
    note(**figures.saving(trained(bench(lora)), trained(bench(training))))
