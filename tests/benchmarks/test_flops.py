"""The operations counted, against those that torch itself counts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from conformance.benchmarks import flops, models
from conformance.benchmarks.cases import Training, peak_flops, shape, trainings
from conformance.benchmarks.devices import Device

CPU = Device("cpu")


def counted(model: torch.nn.Module, sequence: int) -> int:
    """Matrix products of one forward and backward pass, attention's without the causal half."""
    ids = torch.arange(sequence)[None] % 256
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids).loss.backward()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("method", ["lora", "full"])
def test_formula_is_what_torch_counts(method: str) -> None:
    """But for what is told apart: causal attention, counted whole by torch, and LoRA's two ends.

    The first layer's frozen matrices need no gradient of their input under LoRA, so torch counts
    at most one layer of two less there.
    """
    training = Training("tiny", method, sequence=32)
    model = models.model(training, CPU, models.kernels(training, CPU)).float()
    model.config._attn_implementation = "eager"
    weights = flops.weights_of(model)
    layers, width = flops.attention_of(model.config)
    matrices = 4.0 * weights.frozen + 6.0 * weights.trained
    attention = 12.0 * layers * 32 * width
    ratio = counted(model, 32) / ((matrices + attention) * 32)
    assert ratio == pytest.approx(1.0, abs=0.16 if method == "lora" else 1e-9)
    whole = flops.per_token(weights, layers=layers, width=width, sequence=32)
    assert whole == matrices + attention / 2


def test_published_figure_fits_the_formula() -> None:
    """402 TFLOP/s at 12473 tokens/s is 32.2 GFLOP a token; ours for that shape is 33.2."""
    about = shape("8b").config
    wide, kv = about["hidden_size"], about["hidden_size"] // 4
    layer = 2 * wide * wide + 2 * wide * kv + 3 * wide * about["intermediate_size"]
    matrices = about["num_hidden_layers"] * layer + wide * about["vocab_size"]
    weights = flops.Weights(frozen=matrices, trained=0)
    ours = flops.per_token(weights, layers=32, width=wide, sequence=4096)
    assert ours == pytest.approx(402e12 / 12473, rel=0.04)


def test_cards_by_name() -> None:
    assert peak_flops("NVIDIA H100 80GB HBM3") == 989.4e12
    assert peak_flops("NVIDIA H100 PCIe") == 756e12
    assert peak_flops("NVIDIA L40S") == 362e12
    assert peak_flops("an abacus") is None


def test_ids_are_unique_in_every_profile() -> None:
    for profile in ("quick", "full", "cpu"):
        ids = [each.id for each in trainings(profile)]
        assert ids
        assert len(set(ids)) == len(ids)
    assert trainings("") == ()
