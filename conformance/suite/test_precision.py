"""Chapter precision: what is computed in which precision, and what stays in float32."""

import torch

from conformance.judging import empty, equal, paired, require
from conformance.marks import clause, crossing
from conformance.running import build
from conformance.scenarios import Injection, Scenario, core_families

AXES = {"architecture": core_families(), "injection": tuple(Injection)}


@clause("precision.bf16")
@crossing(Scenario(bf16=True), **AXES)
def test_forward_in_bfloat16(trainer_class, scenario, folder):
    """`bf16=True` runs the layers that adapters sit on in bfloat16."""
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    seen = []
    for name, module in model.named_modules():
        if name.endswith("lora_A.default"):
            module.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    trainer = trainer_class(
        model=model,
        args=build.arguments(scenario, folder, trainer_class, max_steps=2),
        **build.trainer_keywords(trainer_class, scenario),
    )
    trainer.train()
    equal("dtypes that adapters computed in", set(seen), {torch.bfloat16})


@clause("precision.bf16")
@crossing(Scenario(bf16=True), **AXES)
def test_state_in_float32(observation):
    """Adapter weights, their gradients and the optimizer's state stay in float32."""
    step = observation.steps[-1]
    held = {**step.after.adapter, **{f"gradient of {n}": g for n, g in step.clipped.items()}}
    for name, state in step.after.optimizer.items():
        held |= {
            f"{key} of {name}": value for key, value in state.items() if torch.is_tensor(value)
        }
    empty("tensors not in float32", [n for n, t in held.items() if t.dtype is not torch.float32])
    require(len(held) > 3 * len(step.after.adapter), "tensors looked at", len(held), "all states")


@clause("precision.bf16")
@crossing(Scenario(bf16=True), **AXES)
def test_bfloat16_matters(runs, scenario):
    """The losses are near those in float32, and not the same.

    bfloat16 keeps 8 bits of a significand, so an operation is off by up to 2^-9; through the two
    layers' dozen operations that a value passes, errors stay below 12 times that. Not so where a
    router chooses experts: a rounding can change the choice.
    """
    full, half = runs.train(scenario.but(bf16=False)), runs.train(scenario)
    apart = [
        abs(one.loss - other.loss) / one.loss
        for one, other in paired("steps", full.steps, half.steps)
    ]
    require(max(apart) > 0, "relative distances to float32", apart, "a difference")
    routed = scenario.architecture == "mixtral"
    require(
        routed or apart[0] < 12 * 2**-9,
        "the first step's distance to float32",
        apart[0],
        12 * 2**-9,
    )
