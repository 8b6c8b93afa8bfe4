"""Models of a shape, as users have them."""

import pytest
import torch

from conformance.benchmarks import models
from conformance.benchmarks.cases import BEST, Training, method, trainings
from conformance.benchmarks.devices import Device
from conformance.benchmarks.packed import Packed
from conformance.compat import Unavailable

CPU = Device("cpu")


def made(name: str) -> torch.nn.Module:
    training = Training("tiny", name)
    model: torch.nn.Module = models.model(training, CPU, models.kernels(training, CPU))
    return model


def test_base_in_bfloat16_adapter_and_positions_in_float32() -> None:
    """As `from_pretrained` gives it: casting the whole model would round the rotary positions."""
    model = made("lora")
    dtypes = {p.requires_grad: p.dtype for p in model.parameters()}
    assert dtypes == {False: torch.bfloat16, True: torch.float32}
    assert {b.dtype for n, b in model.named_buffers() if "inv_freq" in n} == {torch.float32}


def test_full_fine_tuning_trains_every_weight_in_float32() -> None:
    kinds = {(p.requires_grad, p.dtype) for p in made("full").parameters()}
    assert kinds == {(True, torch.float32)}


def test_weights_are_the_same_each_time() -> None:
    one, two = made("lora").state_dict(), made("lora").state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_quantized_base_keeps_its_output_layer() -> None:
    pytest.importorskip("bitsandbytes")
    packed = [n for n, p in made("qlora").named_parameters() if getattr(p, "quant_state", None)]
    assert len(packed) == 2 * 7
    assert not any("lm_head" in name for name in packed)


def test_nothing_better_than_the_default_is_said() -> None:
    with pytest.raises(Unavailable, match="no flash_attn, no liger_kernel"):
        models.kernels(Training("tiny", "lora", kernels=BEST), CPU)


def test_documented_recipes() -> None:
    assert method("lora").adapter["target_modules"] == ["q_proj", "v_proj"]
    assert method("qlora").adapter == {"r": 64, "lora_alpha": 16}
    (large,) = [each for each in trainings("quick") if each.id == "8b-lora-default"]
    assert large.sequence == 4096


def test_rows_are_full_and_partly_labelled() -> None:
    data = Packed(1000, 32, 256)
    row = data[70]
    assert row["input_ids"].shape == row["labels"].shape == (32,)
    assert int((row["labels"][1:] != -100).sum()) == data.supervised == 24
    assert torch.equal(data[70]["input_ids"], Packed(1000, 32, 256)[70]["input_ids"])
    assert int(row["attention_mask"].sum()) == 32
