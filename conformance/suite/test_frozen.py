"""Chapter frozen: the base does not move, the adapter does."""

from conformance.checks.frozen import (
    adapter_moves,
    base_stays,
    no_base_gradient,
    optimizer_holds_the_adapter,
    settings_kept,
    what_is_driven_moves,
)
from conformance.judging import changed, empty, identical, require, same, same_names
from conformance.marks import clause, crossing, sweep
from conformance.running import build
from conformance.running.build import base_name
from conformance.running.looking import tensors, trainable
from conformance.scenarios import Injection, Scenario, core_families

BIAS_RECIPES = ("bias-all", "bias-lora-only")


@clause("frozen.bit-identical")
@sweep()
def test_bit_identical(observation):
    """Every base parameter and buffer has the same bits after training."""
    base_stays(observation)


@clause("frozen.requires-grad-kept")
@sweep()
def test_requires_grad_kept(observation):
    """Training changes no parameter's `requires_grad`, dtype, shape or device."""
    settings_kept(observation)
    adapter_moves(observation)


@clause("frozen.config-kept")
@sweep()
def test_config_kept(observation):
    """Training, evaluating and saving change nothing in the configs of the adapters."""
    require(bool(observation.configs_before), "configs", 0, "some")
    configs = [_own(held) for held in (observation.configs_after, observation.configs_before)]
    same("the configs", *configs)
    adapter_moves(observation)


def _own(configs):
    """The configs without what saving is documented to fill in: the base's path and class."""
    filled = ("base_model_name_or_path", "auto_mapping")
    return {
        adapter: {name: value for name, value in config.items() if name not in filled}
        for adapter, config in configs.items()
    }


@clause("frozen.no-gradient")
@sweep()
def test_no_gradient(observation):
    """No base parameter ever holds a gradient."""
    no_base_gradient(observation)
    adapter_moves(observation)


@clause("frozen.optimizer-groups")
@sweep()
def test_optimizer_groups(observation):
    """The optimizer holds each trainable parameter once, and nothing else."""
    optimizer_holds_the_adapter(observation)


@clause("frozen.disabled-logits")
@sweep(lambda scenario: scenario.adapter not in BIAS_RECIPES)
def test_disabled_logits(observation):
    """With the adapter disabled the logits are those of the base before training."""
    observation.completed()
    identical(
        "logits with the adapter disabled",
        {"logits": observation.disabled_logits},
        {"logits": observation.base_logits},
    )
    changed(
        "training the adapter", {"logits": observation.base_logits}, {"logits": observation.logits}
    )


@clause("frozen.inactive-adapters")
@crossing(
    Scenario(weight_decay=0.1),
    adapter=("two-adapters", "second-of-two"),
    architecture=core_families(),
    injection=Injection,
)
def test_inactive_adapters(scenario, observation):
    """Adapters that are loaded but not active have the same bits after training."""
    (waiting,) = scenario.recipe.inactive
    inactive = {n: t for n, t in observation.adapters_before.items() if waiting in n.split(".")}
    require(bool(inactive), "tensors of the inactive adapter", 0, "some")
    identical(
        "the inactive adapter", {n: observation.adapters_after[n] for n in inactive}, inactive
    )
    adapter_moves(observation)


@clause("frozen.modules-to-save")
@crossing(
    Scenario(adapter="modules-to-save", epochs=2.0),
    architecture=core_families(),
    injection=Injection,
)
def test_modules_to_save(observation):
    """The copy is trained from the original's values; the original keeps its bits."""
    head = observation.scenario.family.head
    copies = {n: t for n, t in observation.adapters_before.items() if "modules_to_save" in n}
    originals = {_original(n): t for n, t in copies.items()}
    identical(
        "the copies before training", originals, {n: observation.base_before[n] for n in originals}
    )
    changed("training the copies", copies, observation.adapters_after)
    kept = {n: t for n, t in observation.base_before.items() if head in n.split(".")}
    identical("the originals", {n: observation.base_after[n] for n in kept}, kept)


def _original(name):
    kept = name.replace("modules_to_save.default.", "")
    return base_name(kept)


@clause("adapter.every-parameter-moves")
@sweep()
def test_every_parameter_moves(observation):
    """Every trainable tensor that got a gradient other than zero is changed by training."""
    what_is_driven_moves(observation)
    got = {n for step in observation.steps for n, g in step.clipped.items() if g.any()}
    last = observation.last_state.adapter
    empty("lora_B without a gradient", [n for n in last if "lora_B" in n and n not in got])


@clause("frozen.requires-grad-kept")
@crossing(Scenario(), architecture=("llama", "gpt2", "bert", "t5"), injection=Injection)
def test_resized_beside_an_adapter(scenario):
    """Embeddings that are resized beside an adapter keep their rows, and ask for no more gradients
    than they did.
    """
    model = build.injected(scenario)
    before, asking = tensors(model), trainable(model)
    size = scenario.family.text_config["vocab_size"]
    model.resize_token_embeddings(size + 8)
    same_names("what asks for gradients", trainable(model), asking)
    after = tensors(model)
    longer = [name for name, tensor in after.items() if tensor.shape != before[name].shape]
    require(bool(longer), "tensors that grew", longer, "some")
    rows = {name: after[name][: len(before[name])] for name in longer}
    identical("the rows there were, and all else", {**after, **rows}, before)


@clause("frozen.modules-to-save")
@crossing(Scenario(architecture="bert"))
def test_head_beside_own_copies(scenario):
    """A classifier's head is trained beside the modules that one's own config names."""
    model = build.injected(scenario, modules_to_save=["pooler"])
    copied = [name for name in trainable(model) if ".modules_to_save." in name]
    copies = {build.base_name(name.replace(".modules_to_save.default", "")) for name in copied}
    expected = ["bert.pooler.dense.weight", "bert.pooler.dense.bias"]
    head = scenario.family.head
    expected += [name for name in tensors(build.base_model(scenario)) if name.startswith(head)]
    same_names("copies that are trained", copies, expected)
