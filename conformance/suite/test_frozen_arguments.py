"""Chapter frozen: the base stays and the adapter moves whatever the Trainer is given."""

from conformance import compat
from conformance.checks.frozen import (
    base_stays,
    no_base_gradient,
    optimizer_holds_the_adapter,
    settings_kept,
)
from conformance.judging import equal, require
from conformance.marks import arguments, clause, crossing
from conformance.running import build, trainers
from conformance.running.hooks import AtTheEnd
from conformance.running.tokenizing import numbers
from conformance.scenarios import Injection, Scenario

SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")


@clause("frozen.bit-identical")
@arguments()
def test_arguments_bit_identical(observation):
    """Every base parameter and buffer has the same bits after training."""
    base_stays(observation)


@clause("frozen.requires-grad-kept")
@arguments()
def test_arguments_requires_grad_kept(observation):
    """Training changes no parameter's `requires_grad`, dtype, shape or device."""
    settings_kept(observation)


@clause("frozen.no-gradient")
@arguments()
def test_arguments_no_gradient(observation):
    """No base parameter ever holds a gradient."""
    no_base_gradient(observation)


@clause("frozen.optimizer-groups")
@arguments()
def test_arguments_optimizer_groups(observation):
    """The optimizer, whichever, holds each trainable parameter once, and nothing else."""
    optimizer_holds_the_adapter(observation)


@clause("frozen.special-tokens")
@crossing(Scenario(max_steps=1), architecture=("llama", "gpt2", "bart"), injection=tuple(Injection))
def test_special_tokens(runs, scenario):
    """The tokenizer's padding becomes the model's; special tokens that it lacks stay."""
    tokenizer = numbers(scenario.family.text_config["vocab_size"], padding=5)
    before = _special_tokens(build.base_model(scenario))
    require(None not in before.values(), "special tokens", before, "some of each kind")
    after = AtTheEnd(_special_tokens)
    runs.again(scenario, trainer_options=compat.processing(tokenizer), callbacks=[after])
    equal(
        "special tokens",
        after.seen,
        {name: 5 if "pad" in name else at for name, at in before.items()},
    )


@clause("frozen.special-tokens")
@crossing(Scenario(max_steps=1), injection=tuple(Injection))
def test_stop_tokens(trainer_class, scenario, folder):
    """Where generation stops at several tokens, the tokenizer's end of sequence joins them."""
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    model.generation_config.eos_token_id = [7, 8]
    tokenizer = numbers(scenario.family.text_config["vocab_size"])
    tokenizer.eos_token = "9"
    given = compat.processing(tokenizer)
    trainers.trainer(trainer_class, scenario, folder, model=model, **given).train()
    equal("eos_token_id of the config", model.config.eos_token_id, 9)
    equal("tokens to stop at", model.generation_config.eos_token_id, [9, 7, 8])


def _special_tokens(model):
    """The ids of the special tokens, by config and name."""
    held = {"config": model.config, "generation_config": model.generation_config}
    return {
        f"{where}.{name}": getattr(config, name)
        for where, config in held.items()
        for name in SPECIAL
    }
