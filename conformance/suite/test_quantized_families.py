"""Chapter quantized: what is quantized of each family, and the documented recipe over it."""

import math

import torch

from conformance.checks.checkpointing import every_adapter_gets_its_gradient
from conformance.checks.quantized import quantization_stays
from conformance.judging import changed, equal, identical, note, require, same_names
from conformance.marks import clause, frugal_crossing, scenarios
from conformance.running import build, data, quantization_state, quantized, saved
from conformance.running.looking import logits
from conformance.scenarios import Injection, Scenario, core_families, families, family, kinds

DOCUMENTED = Scenario(
    adapter="documented-qlora",
    injection="add_adapter",
    quantization="nf4",
    compute_dtype="bfloat16",
    device_map="auto",
    examples=17,
    batch_size=1,
    accumulation=16,
    gradient_checkpointing="default",
    learning_rate=2e-4,
    bf16=True,
    save="steps",
    save_steps=1,
)
WIDE = 3  # the strength of a profile that is not sparing
UNFOUND = ("mixtral",)  # whose documented targets are not found, see the deviations


# ---- what is quantized ----------------------------------------------------------------------


def of_every_family(**values):
    """Meet the bases of all families."""
    return frugal_crossing(architecture=families(), **values)


@clause("quantized.every-layer")
@of_every_family(quantization=("nf4", "int8", "fp4-double"))
def test_every_layer(scenario):
    """Every linear layer is quantized, Conv1D too, but for the head and what has to stay."""
    plain = build.plain_model(scenario)
    stay = {*quantized.left_by_name(scenario), *scenario.family.precise}
    linear = [n for n, m in plain.named_modules() if _is_linear(m)]
    head = plain.get_output_embeddings()
    wanted = {
        n for n in linear if stay.isdisjoint(n.split(".")) and plain.get_submodule(n) is not head
    }
    got = {n.removesuffix(".weight") for n in quantization_state.states(build.base_model(scenario))}
    note(linear=len(linear), quantized=len(got))
    either = set() if head else {_last(plain)}  # without a head, the last layer may count as one
    same_names("quantized layers", got - either, wanted - either)


def _last(model):
    *_, (name, _) = model.named_parameters()
    return name.rpartition(".")[0]


def _is_linear(module):
    return isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D"


@clause("quantized.default-config")
@of_every_family(quantization=("nf4", "int8", "fp4-double"))
def test_default_config(scenario):
    """With nothing named that has to stay, the base gives finite outputs, and rounded ones."""
    folder = quantized.checkpoint(scenario, lambda: build.plain_model(scenario))
    config = quantized.config(scenario, llm_int8_skip_modules=None)
    base = quantized.from_disk(scenario, folder, quantization_config=config)
    got = logits(base, data.probe(scenario))
    require(bool(got.isfinite().all()), "outputs", "some that are not finite", "finite ones")
    plain = logits(build.plain_model(scenario), data.probe(scenario))
    changed("quantizing the base", {"outputs": plain}, {"outputs": got})


# ---- the documented recipe ------------------------------------------------------------------


def recipes(profile):
    """The recipe for families and, where peft documents no targets or does not find them, with the
    targets written out.

    Core families meet it as it is written, with llama wrapped as well. So does one family of each
    other kind, in turn with `get_peft_model` and `prepare_model_for_kbit_training`, but under
    faults; in full all families meet all of it.
    """
    others = [names[0] for names in kinds().values() if not any(family(n).core for n in names)]
    met = {1: core_families(), 2: (*core_families(), *others)}.get(profile.strength, families())
    for place, name in enumerate(met):
        for injection, prepared in _ways(profile, place, name):
            found = DOCUMENTED.but(architecture=name, injection=injection, kbit_prepared=prepared)
            if family(name).default_targets:
                yield found
            if not family(name).default_targets or name in UNFOUND:
                yield found.but(adapter="qlora-with-targets")


def _ways(profile, place, name):
    """The injections to meet, each with whether the base is prepared."""
    wrapped, native = Injection
    if profile.strength >= WIDE:
        return [(how, prepared) for how in Injection for prepared in (False, True)]
    if family(name).core:
        return [(native, False), (wrapped, False)][: 1 + (name == "llama")]
    return [(wrapped, True) if place % 2 else (native, True)]


@clause("quantized.documented-recipe")
@scenarios(recipes)
def test_documented_recipe(scenario, observation):
    """The example of the documentation trains: its steps, finite losses, its own targets."""
    observation.completed()
    equal("optimizer steps", observation.output.global_step, 2)
    sizes = [len(step.micro_batches) for step in observation.steps]
    equal("micro-batches a step", sizes, [16, 1])
    losses = [step.loss for step in observation.steps]
    require(all(map(math.isfinite, losses)), "losses", losses, "finite ones")
    ranks = {t.shape[0] for n, t in observation.start.adapter.items() if "lora_A" in n}
    equal("ranks", ranks, {64})
    modules = {n.rpartition(".lora_A")[0].rpartition(".")[2] for n in observation.start.adapter}
    about = scenario.family
    own = about.default_targets if scenario.adapter == "documented-qlora" else about.attention
    present = {n.rpartition(".")[2] for n, _ in build.plain_model(scenario).named_modules()}
    equal("modules with an adapter", modules - {""}, set(own) & present)


@clause("quantized.documented-recipe")
@scenarios(recipes)
def test_documented_recipe_keeps_its_promises(scenario, observation):
    """Every adapter is trained, the base is not; the checkpoint holds the adapter of its step."""
    every_adapter_gets_its_gradient(observation)
    quantization_stays(observation, observation.base_after)
    save = observation.saved(1)
    equal("checkpoints", observation.checkpoints[:1], ("checkpoint-1",))
    model = saved.load_adapter(scenario, save.folder)
    trained = observation.steps[0].after.adapter
    held = {n: p for n, p in model.named_parameters() if n in trained}
    identical("the adapter loaded from the checkpoint", held, trained)
