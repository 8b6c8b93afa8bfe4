"""Chapter quantized: over a quantized base everything holds that holds over a plain one.

Nothing here stands in for bitsandbytes: bases are quantized by it, on the CPU. The rest of the
chapter is in `test_quantized_runs`, `test_quantized_families` and `test_quantized_edges`.
"""

from conformance.checks.checkpoint import holds_no_base, holds_the_adapter, load_back, loads_back
from conformance.checks.frozen import (
    adapter_moves,
    no_base_gradient,
    optimizer_holds_the_adapter,
    settings_kept,
)
from conformance.checks.output import (
    counts_its_steps,
    has_the_documented_metrics,
    is_a_train_output,
    reports_its_mean_loss,
)
from conformance.checks.quantized import quantization_stays, rest
from conformance.judging import changed, empty, equal, identical
from conformance.marks import clause, frugal_crossing, scenarios
from conformance.running import saved
from conformance.scenarios import Injection, Scenario, core_families
from conformance.scenarios.quantizations import BITSANDBYTES

AXES = {
    "quantization": BITSANDBYTES,
    "injection": tuple(Injection),
    "compute_dtype": ("float32", "bfloat16"),
    "quant_storage": ("uint8", "bfloat16"),
    "device_map": ("", "auto", "cpu"),
    "kbit_prepared": (False, True),
    "accumulation": (1, 2),
    "gradient_checkpointing": ("", "default"),
    "adapter": ("lora", "all-linear", "two-adapters"),
    "architecture": core_families(),
}


SWEPT = Scenario(save="steps", save_steps=2, max_steps=3)
sweep = frugal_crossing(SWEPT, **AXES)


@clause("quantized.base-identical")
@sweep
def test_base_identical(observation):
    """Packed bytes and every part of their state are the same bits and values after training."""
    quantization_stays(observation, observation.base_after)
    adapter_moves(observation)


@clause("quantized.base-identical")
@sweep
def test_base_identical_after_saving(observation):
    """The same once the model has been saved."""
    observation.completed()
    quantization_stays(observation, observation.base_at_end, observation.settings_at_end)


@clause("quantized.base-identical")
@sweep
def test_disabled_logits(observation):
    """With the adapter disabled the logits are those of the quantized base before training."""
    observation.completed()
    before, after = observation.base_logits, observation.disabled_logits
    identical("logits with the adapter disabled", {"logits": after}, {"logits": before})
    changed("training", {"logits": before}, {"logits": observation.logits})


@clause("quantized.rest-identical")
@sweep
def test_rest_identical(observation):
    """What is not quantized has the same bits too; biases of quantized layers apart."""
    before, after = rest(observation.base_before), rest(observation.base_after)
    biases = _biases(observation)
    identical(
        "tensors that are not quantized",
        {n: t for n, t in after.items() if n not in biases},
        {n: t for n, t in before.items() if n not in biases},
    )
    adapter_moves(observation)


@clause("quantized.rest-identical")
@scenarios(
    lambda profile: [
        Scenario(architecture=name, quantization=kind, compute_dtype=dtype)
        for name in ("bert", "gpt2")
        for kind in ("nf4", "int8")
        for dtype in ("float32", "bfloat16")
    ]
)
def test_biases_identical(observation):
    """The biases of quantized layers have the same bits and dtype."""
    biases = _biases(observation)
    before = {n: t for n, t in observation.base_before.items() if n in biases}
    after = {n: t for n, t in observation.base_after.items() if n in biases}
    identical("biases of quantized layers", after, before)


def _biases(observation):
    owners = {name.rpartition(".")[0] for name in observation.settings_before}
    return {f"{owner}.bias" for owner in owners}


@clause("quantized.adapter-only")
@sweep
def test_only_the_adapter_trains(observation):
    """The base asks for and holds no gradient, and the optimizer holds the adapter alone."""
    settings_kept(observation)
    no_base_gradient(observation)
    optimizer_holds_the_adapter(observation)
    trainable = set(observation.trainable)
    for step in observation.steps:
        empty("state for strangers", sorted(set(step.after.optimizer) - trainable))


@clause("quantized.adapter-only")
@sweep
def test_only_the_adapter_is_written(observation):
    """Checkpoints hold the adapter, all of it, and no packed weight, state or base weight."""
    holds_no_base(observation)
    for save in observation.saves:
        holds_the_adapter(observation, save)
    state = saved.optimizer_state(observation.saves[-1].folder)["state"]
    got = {name for step in observation.steps for name in step.clipped}
    equal("parameters with optimizer state on disk", len(state), len(got))


@clause("quantized.round-trip")
@sweep
def test_round_trip(observation):
    """A checkpoint on a freshly quantized base is the model as it was when it was written."""
    load_back(observation, most=1)
    changed("training", {"logits": observation.base_logits}, {"logits": observation.logits})


@clause("quantized.round-trip")
@sweep
def test_final_save(observation):
    """So is what `save_model()` writes at the end."""
    observation.completed()
    trained = observation.steps[-1].after.adapter
    loads_back(observation.scenario, observation.output_dir / "final", trained, observation.logits)


@clause("quantized.output")
@sweep
def test_output(observation):
    """The result is the documented one, of the steps that were taken."""
    is_a_train_output(observation)
    counts_its_steps(observation)
    reports_its_mean_loss(observation)
    has_the_documented_metrics(observation)
