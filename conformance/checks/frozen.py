"""The base stays as it is, and the adapter moves."""

from conformance.judging import changed, empty, equal, identical, same, same_bits, same_names
from conformance.running.observation import Observation


def base_stays(observation: Observation) -> None:
    """Every base parameter and buffer has the same bits after training; the adapter has not.

    Parameters that the adapter's config documents as trained are left out.
    """
    trains, family = observation.scenario.recipe.trains_base, observation.scenario.family
    before = {n: t for n, t in observation.base_before.items() if not trains(family, n)}
    after = {n: t for n, t in observation.base_after.items() if not trains(family, n)}
    identical("base parameters and buffers", after, before)
    same("quantization settings", observation.settings_after, observation.settings_before)
    adapter_moves(observation)


def settings_kept(observation: Observation) -> None:
    """Training changes no parameter's `requires_grad`, dtype, shape or device."""
    before, after = observation.parameters_before, observation.parameters_after
    same_names("the model's parameters", after, before)
    empty(
        "parameters that are no longer what they were",
        [f"{n}: {p} -> {after[n]}" for n, p in before.items() if after[n] != p],
    )


def no_base_gradient(observation: Observation) -> None:
    """No parameter but trainable ones holds a gradient, after any micro-batch or in any step."""
    micro_batches = [micro for step in observation.steps for micro in step.micro_batches]
    empty("base gradients", [name for micro in micro_batches for name in micro.base_gradients])
    trainable = set(observation.trainable)
    stepped = [n for step in observation.steps for n in step.clipped if n not in trainable]
    empty("base gradients in the optimizer step", stepped)


def optimizer_holds_the_adapter(observation: Observation) -> None:
    """The optimizer holds each trainable parameter once, and nothing else."""
    held = [name for group in observation.groups for name in group.names]
    same_names("parameters of the optimizer", [str(name) for name in held], observation.trainable)
    equal("parameters held more than once", len(held) - len(set(held)), 0)


def adapter_moves(observation: Observation) -> None:
    """Training changes the adapter: every LoRA B, or what got a gradient where there is none.

    LoRA A may keep its values: its gradient is zero as long as B is.
    """
    start, end = observation.first_state.adapter, observation.last_state.adapter
    moving = {n: t for n, t in start.items() if "lora_B" in n}
    changed("training the adapter", moving or {n: start[n] for n in _driven(observation)}, end)


def what_is_driven_moves(observation: Observation) -> None:
    """Every tensor that got a gradient other than zero is changed by training.

    A method that allocates ranks may set one back to zero, where it began: it has moved between.
    """
    start, end = observation.first_state.adapter, dict(observation.last_state.adapter)
    if observation.scenario.recipe.allocates:
        for step in observation.steps:
            end |= {n: t for n, t in step.after.adapter.items() if not same_bits(t, start[n])}
    changed("training", {n: start[n] for n in _driven(observation)}, end)


def _driven(observation: Observation) -> list[str]:
    """The tensors that got a gradient other than zero in a step with a rate above zero.

    All of them asked for gradients before the first step.
    """
    rated = [step for step in observation.steps if any(step.learning_rates)]
    driven = {n for step in rated for n, g in step.clipped.items() if g.any()}
    late = driven - set(observation.first_state.adapter)
    empty("tensors trained that were frozen when training began", sorted(late))
    return sorted(driven)
