"""Chapter architectures, embeddings: models whose head is the embedding's weight."""

import torch

from conformance.checks.checkpoint import holds_the_adapter, load_back
from conformance.checks.frozen import (
    adapter_moves,
    base_stays,
    optimizer_holds_the_adapter,
    settings_kept,
)
from conformance.checks.resume import continues
from conformance.judging import changed, equal, identical, require
from conformance.marks import clause, scenarios
from conformance.running import build
from conformance.running.single import Run
from conformance.scenarios import Injection, Scenario, families, family

BOTH = tuple(Injection)
TIED = [name for name in families() if family(name).tied]
PLAINEST = "llama-tied"
RECIPES = ("tied-embedding", "saved-embedding", "token-indices")
WIDE = 3  # the strength of a profile that is not sparing


def tied(profile):
    """One family with every injection and recipe, each other with one in turn; in full all."""
    pairs = [(how, recipe) for recipe in RECIPES for how in BOTH]
    for place, name in enumerate(TIED):
        everything = profile.strength >= WIDE or name == PLAINEST
        for how, recipe in pairs if everything else [pairs[place % len(pairs)]]:
            yield Scenario(name, how, recipe, examples=3, save="steps")


@clause("architectures.tied-trained")
@scenarios(
    lambda profile: [
        Scenario(name, how, "tied-embedding", max_steps=1)
        for name in TIED
        for how in (BOTH if profile.strength >= WIDE else BOTH[:1])
    ]
)
def test_one_matrix(trainer_class, scenario, folder):
    """With `ensure_weight_tying` the trained copy of the embedding is the head's as well."""
    run = Run(scenario, folder, trainer_class)
    observation = run().completed()
    embedding = _trained(run.model.get_input_embeddings())
    head = _trained(run.model.get_output_embeddings())
    (before,) = (
        tensor
        for name, tensor in observation.base_before.items()
        if name.endswith(f"{scenario.family.embedding}.weight")
    )
    changed("training the embedding", {"weight": before}, {"weight": embedding.detach()})
    require(head is embedding, "the head", "a matrix of its own", "the trained embedding")


@clause("architectures.tied-trained")
@scenarios(
    lambda profile: [
        Scenario(name, how, "token-indices")
        for name in TIED
        for how in (BOTH if profile.strength >= WIDE else BOTH[:1])
    ]
)
def test_same_tokens(scenario):
    """Single tokens that are trained are trained in the embedding and in the head that it is."""
    fresh, moved = (build.injected(scenario) for _ in range(2))
    build.move_adapter(moved)
    before, after = (_rows(model) for model in (fresh, moved))
    delta = after - before
    rows = sorted(delta.abs().sum(dim=1).nonzero().flatten().tolist())
    equal("rows of the head that changed", rows, sorted(_tokens(moved)))


def _tokens(model):
    """The numbers of the tokens that are trained."""
    (config,) = model.peft_config.values()
    given = config.trainable_token_indices
    return given if isinstance(given, list) else next(iter(given.values()))


def _rows(model):
    """What the head multiplies by, a row a token."""
    head, place = model.get_output_embeddings(), next(model.parameters()).device
    width = model.get_input_embeddings()(torch.tensor([0], device=place)).shape[-1]
    given = torch.eye(width, device=place)
    with torch.no_grad():
        return (head(given) - head(torch.zeros_like(given[:1]))).T


def _trained(module):
    """The trained copy's weight, where there is one: what saw disabled logits left it off."""
    copies = getattr(module, "modules_to_save", {})
    held = copies["default"] if "default" in copies else module  # noqa: SIM401 - no `get` there
    return held.weight


@clause("architectures.tied-frozen")
@scenarios(tied)
def test_frozen(observation):
    """The base's shared weight keeps its bits, whatever of it is trained in a copy."""
    base_stays(observation)
    settings_kept(observation)
    optimizer_holds_the_adapter(observation)
    observation.completed()
    before, after = observation.base_logits, observation.disabled_logits
    identical("logits with the adapter disabled", {"logits": after}, {"logits": before})


@clause("architectures.tied-checkpoint")
@scenarios(tied)
def test_checkpoint(observation):
    """Checkpoints hold what was trained of the shared weight, and load back exactly."""
    for save in observation.saves:
        holds_the_adapter(observation, save)
    load_back(observation)
    adapter_moves(observation)


@clause("architectures.tied-resume")
@scenarios(lambda profile: [found for found in tied(profile) if not found.native])
def test_resume(runs, scenario):
    """A resumed training ends exactly as the uninterrupted one."""
    continues(runs.train(scenario), runs.resume(scenario, 1))
