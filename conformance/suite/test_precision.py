"""Chapter precision: what is computed in which precision, and what stays in float32."""

import torch

from conformance import compat
from conformance.checks.checkpoint import holds_no_base, holds_the_adapter, load_back
from conformance.checks.frozen import adapter_moves, base_stays, no_base_gradient, settings_kept
from conformance.checks.resume import continues, points
from conformance.checks.scaling import (
    in_every_checkpoint,
    overflow_skips,
    restored,
    scaled_and_unscaled,
)
from conformance.judging import empty, equal, note, paired, require
from conformance.marks import clause, crossing
from conformance.running import build, data, losses, scaling, trainers
from conformance.running.looking import trainable
from conformance.running.optimizers import DIRECTIONS
from conformance.scenarios import ALIKE, Injection, Scenario, core_families

AXES = {"architecture": core_families(), "injection": tuple(Injection)}
HALF = Scenario(base_dtype="bfloat16", save="steps", weight_decay=0.1, examples=6)
FP16 = {"fp16": True}
CASTING = {"autocast_adapter": (True, False), "bf16": (False, True)}


@clause("precision.bf16")
@crossing(Scenario(bf16=True), **AXES)
def test_forward_in_bfloat16(trainer_class, scenario, folder):
    """`bf16=True` runs the layers that adapters sit on in bfloat16."""
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    seen = []
    for name, module in model.named_modules():
        if name.endswith("lora_A.default"):
            module.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    told = {"max_steps": 2}
    trainers.trainer(trainer_class, scenario, folder, model=model, extra_arguments=told).train()
    equal("dtypes that adapters computed in", set(seen), {torch.bfloat16})


@clause("precision.bf16")
@crossing(Scenario(bf16=True, max_steps=1), **AXES)
def test_outputs_in_float32(trainer_class, scenario, folder):
    """What the model gives is handed to the loss in float32, in training and in evaluations."""
    seen = []

    class Spying(trainer_class):
        """Notes the dtypes of what losses are made of."""

        def compute_loss(self, model, inputs, return_outputs=False, **named):
            loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **named)
            seen.append((model.training, losses.answers(outputs).dtype))
            return (loss, outputs) if return_outputs else loss

    evaluated = data.evaluation_examples(scenario)
    trainer = trainers.trainer(Spying, scenario, folder, evaluated=evaluated)
    trainer.train()
    trainer.evaluate()
    expected = {(training, torch.float32) for training in (True, False)}
    equal("dtypes of outputs, in training and out of it", set(seen), expected)


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


# ---- a base in bfloat16 ---------------------------------------------------------------------


@clause("precision.adapter-dtype")
@crossing(HALF, architecture=core_families(), autocast_adapter=(True, False))
def test_adapter_dtype(scenario, observation):
    """`autocast_adapter_dtype` decides: float32 with it, the base's bfloat16 without it."""
    expected = "torch.float32" if scenario.autocast_adapter else "torch.bfloat16"
    dtypes = {n: p.dtype for n, p in observation.parameters_after.items() if "lora_" in n}
    require(bool(dtypes), "adapter parameters", 0, "some")
    equal("dtypes of the adapter", set(dtypes.values()), {expected})


@clause("precision.adapter-dtype")
@crossing(HALF, architecture=core_families(), autocast_adapter=(True, False))
def test_adapter_dtype_without_a_task(scenario):
    """It decides for an adapter without a `task_type` as well."""
    model = build.injected(scenario, task_type=None)
    expected = torch.float32 if scenario.autocast_adapter else torch.bfloat16
    dtypes = {p.dtype for name, p in model.named_parameters() if "lora_" in name}
    equal("dtypes of the adapter", dtypes, {expected})


@clause("precision.adapter-dtype")
@crossing(HALF, architecture=core_families())
def test_adapter_dtype_of_a_second(scenario):
    """An adapter that is added to a model which has one is float32 as well."""
    compat.require_second_autocast()
    model = build.injected(scenario)
    build.add_inactive(scenario, model, ALIKE)
    dtypes = {p.dtype for n, p in model.named_parameters() if "lora_" in n and f".{ALIKE}." in n}
    equal("dtypes of the second adapter", dtypes, {torch.float32})


@clause("precision.adapter-dtype")
@crossing(HALF, architecture=core_families())
def test_second_stays_frozen(scenario):
    """Made float32 an adapter that is added beside the active one asks for no gradients."""
    model = build.injected(scenario)
    build.add_adapter(scenario, model, ALIKE)
    asking = [name for name in trainable(model) if f".{ALIKE}." in name]
    empty("its parameters that ask for gradients, beside the active one", asking)


@clause("precision.native-adapter-dtype")
@crossing(HALF.but(injection="add_adapter"), architecture=core_families())
def test_native_adapter_dtype(observation):
    """What dtype `add_adapter` gives an adapter on a base in bfloat16."""
    dtypes = {p.dtype for n, p in observation.parameters_after.items() if "lora_" in n}
    note(adapter=", ".join(sorted(dtypes)))
    require(bool(dtypes), "adapter parameters", 0, "some")


@clause("precision.bf16-base")
@crossing(HALF, **AXES, **CASTING)
def test_base_in_bfloat16_stays(observation):
    """A base loaded in bfloat16 keeps its bits and its dtype, and holds no gradient."""
    dtypes = {t.dtype for t in observation.base_after.values() if t.is_floating_point()}
    require(torch.bfloat16 in dtypes, "dtypes of the base", dtypes, "bfloat16 among them")
    base_stays(observation)
    settings_kept(observation)
    no_base_gradient(observation)


@clause("precision.bf16-base")
@crossing(HALF.but(autocast_adapter=False, max_steps=2), optimizer=sorted(DIRECTIONS))
def test_adapter_in_bfloat16_moves(observation):
    """An adapter in bfloat16 is trained by every optimizer, as one in float32 is."""
    adapter_moves(observation)


@clause("precision.bf16-base")
@crossing(HALF, **AXES, **CASTING)
def test_checkpoints_of_a_bfloat16_base(observation):
    """Its checkpoints hold the adapter alone, at the dtype it trains in, and load back exactly."""
    holds_no_base(observation)
    for save in observation.saves:
        holds_the_adapter(observation, save)
    load_back(observation, most=1)


@clause("precision.bf16-base")
@crossing(HALF.but(dropout=0.1, epochs=2.0), **AXES, **CASTING)
def test_sweep_bfloat16_base(runs, profile, scenario):
    """Resumed on such a base, a training ends exactly as the uninterrupted one."""
    full = runs.train(scenario)
    for step in points(full, profile)[:1]:
        resumed = runs.resume(scenario, step)
        for name, tensor in resumed.last_state.adapter.items():
            expected = full.last_state.adapter[name].dtype
            equal(f"the dtype of {name} after the resume", tensor.dtype, expected)
        continues(full, resumed)


# ---- float16 --------------------------------------------------------------------------------


@clause("precision.fp16-on-cpu")
@crossing(Scenario(), **AXES)
def test_fp16_on_cpu(runs, scenario):
    """`fp16=True` on a CPU computes in float16, or says that it does not."""
    plain = runs.train(scenario)
    asked = runs.resume_from(
        scenario, None, runs.folder(), adapter_seed=101, extra_arguments={"fp16": True}
    )
    said = [asked.failure.message] if asked.failure else list(asked.warnings)
    if any(word in text.lower() for text in said for word in ("fp16", "float16", "half")):
        return
    losses = [[step.loss for step in seen.steps] for seen in (asked, plain)]
    require(
        losses[0] != losses[1],
        "fp16 on a CPU",
        "trained in float32, without an error or a warning",
        "float16, or a word that there is none",
    )


@clause("precision.fp16")
@crossing(Scenario(), **AXES)
def test_losses_are_scaled(runs, scenario):
    """`fp16=True` scales the loss, and unscales the gradients before they are clipped."""
    watch = scaling.ScalerWatch(scaling.SAFE)
    seen = runs.again(scenario, extra_arguments=FP16, callbacks=(watch,))
    scaled_and_unscaled(seen, watch, runs.train(scenario))


@clause("precision.fp16")
@crossing(Scenario(), **AXES)
def test_overflow_skips_a_step(runs, scenario):
    """A step whose gradients overflow is skipped, and halves the scale."""
    watch = scaling.ScalerWatch(scaling.TOO_LARGE)
    overflow_skips(runs.again(scenario, extra_arguments=FP16, callbacks=(watch,)), watch)


@clause("precision.fp16")
@crossing(Scenario(save="steps", examples=6, dropout=0.1), **AXES)
def test_sweep_fp16(runs, scenario):
    """Each checkpoint holds the scaler's state, and a resume goes on with it to the same end."""
    watch, again = scaling.ScalerWatch(scaling.SAFE), scaling.ScalerWatch()
    full = runs.again(scenario, extra_arguments=FP16, callbacks=(watch,))
    in_every_checkpoint(full, watch)
    step, folder = full.saves[0].step, runs.folder()
    checkpoint = str(full.saves[0].folder)
    resumed = runs.resume_from(
        scenario, checkpoint, folder, extra_arguments=FP16, callbacks=(again,)
    ).trained()
    restored(watch, again, step)
    continues(full, resumed)
