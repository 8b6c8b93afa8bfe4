"""Chapter loop: arguments of the Trainer that do something of their own, each doing just that."""

import torch

from conformance import compat
from conformance.checks.counting import tokens
from conformance.checks.resume import continues
from conformance.judging import (
    changed,
    equal,
    identical,
    note,
    paired,
    require,
)
from conformance.marks import clause, crossing, native_in_full, scenarios
from conformance.running import data, hooks, saved
from conformance.running.tokenizing import numbers
from conformance.scenarios import Injection, Scenario, core_families

AXES = {"architecture": core_families(), "injection": tuple(Injection)}


# ---- counting tokens ------------------------------------------------------------------------


@clause("loop.tokens-seen")
@crossing(
    Scenario(count_tokens="all", accumulation=2, examples=6, save="steps"),
    count_tokens=("all", "non_padding"),
    **AXES,
)
def test_tokens_seen(observation):
    """The count logged and saved at each step is that of the tokens trained on so far."""
    seen = tokens(observation, observation.scenario.count_tokens)
    logged = [entry["num_input_tokens_seen"] for entry in observation.logs]
    equal("tokens logged", logged, seen)
    held = [saved.trainer_state(s.folder)["num_input_tokens_seen"] for s in observation.saves]
    equal("tokens in the checkpoints", held, seen)


@clause("loop.tokens-seen")
@crossing(Scenario(count_tokens="all", save="steps"), injection=tuple(Injection))
def test_tokens_seen_over_a_resume(runs, scenario):
    """After a resume the count goes on from the checkpoint's."""
    full, resumed = runs.train(scenario), runs.resume(scenario, 2)
    logged = [entry["num_input_tokens_seen"] for entry in resumed.logs]
    equal("tokens logged", logged, tokens(full))


@clause("loop.tokens-seen")
@native_in_full(Scenario(count_tokens="non_padding"))
def test_tokens_seen_without_a_mask(runs, scenario):
    """Without a mask in the batches the tokenizer's padding token tells what is padding, be its
    number 0.
    """
    collate, tokenizer = data.collator(scenario), numbers(64)
    without = lambda rows: {n: t for n, t in collate(rows).items() if n != "attention_mask"}  # noqa: E731
    given = {**compat.processing(tokenizer), "data_collator": without}
    observation = runs.again(scenario, trainer_options=given)
    logged = [entry["num_input_tokens_seen"] for entry in observation.logs]
    equal("tokens logged", logged, tokens(runs.train(scenario), "non_padding"))


# ---- noise on the embeddings ----------------------------------------------------------------

NOISY = Scenario(neftune=5.0, evaluate="epoch", examples=8)


@clause("loop.neftune")
@crossing(NOISY, **AXES)
def test_noise_in_training(runs, scenario):
    """In training, embeddings get uniform noise of at most alpha / sqrt(length x width).

    Among a thousand draws the largest is within 2 % of that, but for a chance of 1e-8; the
    limit itself allows one float32 rounding of the sum.
    """
    watcher = hooks.EmbeddingWatcher()
    runs.again(scenario, callbacks=(watcher,))
    noisy = [seen for seen in watcher.seen if seen.training]
    require(len(noisy) >= scenario.steps, "noisy embeddings", len(noisy), "one a micro-batch")
    shares = []
    for seen in noisy:
        length, width = seen.clean.shape[-2:]
        noise = (seen.got - seen.clean).abs().max().item()
        shares.append(noise / (scenario.neftune / (length * width) ** 0.5))
    note(largest_share=max(shares))
    require(
        0.98 < max(shares) <= 1 + 1e-6, "noise in shares of its limit", max(shares), "0.98 to 1"
    )


@clause("loop.neftune")
@crossing(NOISY, **AXES)
def test_no_noise_in_evaluation(runs, scenario):
    """In evaluations embeddings are exactly the table's."""
    watcher = hooks.EmbeddingWatcher()
    runs.again(scenario, callbacks=(watcher,))
    evaluated = [seen for seen in watcher.seen if not seen.training]
    require(bool(evaluated), "embeddings in evaluations", 0, "some")
    for seen in evaluated:
        identical("embeddings in an evaluation", {"out": seen.got}, {"out": seen.clean})


@clause("loop.neftune")
@crossing(NOISY, **AXES)
def test_noise_is_gone_afterwards(runs, scenario):
    """After training the model embeds without noise, in training mode too, as it did before."""
    watcher = hooks.EmbeddingWatcher()
    observation = runs.again(scenario, callbacks=(watcher,))
    tokens = torch.arange(8).reshape(1, 8)
    for module in (m for m in watcher.modules if isinstance(m, torch.nn.Embedding)):
        own = tokens.to(module.weight.device)
        module.train()
        identical("embeddings", {"out": module(own)}, {"out": module.weight[own]})
        equal("a leftover attribute", hasattr(module, "neftune_noise_alpha"), False)
    identical("the base", observation.base_after, observation.base_before)


# ---- finding a batch size -------------------------------------------------------------------

LARGE = Scenario(auto_batch_size=True, batch_size=8, examples=12, save="steps")
FITS = 4  # rows that memory is there for


@clause("loop.auto-batch-size")
@crossing(LARGE, **AXES)
def test_finds_a_batch_size(runs, scenario):
    """Out of memory, a smaller batch is trained with, exactly as if it had been asked for."""
    found = runs.again(scenario, callbacks=(hooks.ShortOfMemory(FITS),))
    expected = runs.train(scenario.but(auto_batch_size=False, batch_size=FITS))
    for one, other in paired("steps", found.steps, expected.steps):
        where = f"of step {one.number}"
        identical(f"gradients {where}", one.clipped, other.clipped)
        identical(f"the adapter {where}", one.after.adapter, other.after.adapter)
    equal("global_step", found.output.global_step, expected.output.global_step)


@clause("loop.auto-batch-size")
@crossing(LARGE, injection=tuple(Injection))
def test_resumes_with_the_size_found(runs, scenario, folder):
    """A resume goes on with the batch size found, with memory for larger ones or not."""
    found = runs.again(scenario, callbacks=(hooks.ShortOfMemory(FITS),))
    checkpoint = str(found.saved(2).folder)
    continues(found, runs.resume_from(scenario, checkpoint, folder).trained())


@clause("loop.auto-batch-size-begins-again")
@crossing(LARGE.but(epochs=2.0), injection=tuple(Injection))
def test_begins_again(runs, scenario):
    """Out of memory in a later step, training begins again from the first weights."""
    found = runs.again(scenario, callbacks=(hooks.ShortOfMemory(FITS, from_step=1),))
    expected = runs.train(scenario.but(auto_batch_size=False, batch_size=FITS))
    begun = {n: found.first_state.adapter[n] for n in expected.first_state.adapter}
    identical("the adapter that the last attempt began with", begun, expected.first_state.adapter)


# ---- columns --------------------------------------------------------------------------------


@clause("loop.columns")
@crossing(
    Scenario(extra_column=True),
    remove_unused_columns=(True, False),
    iterable=("", "sized"),
    **AXES,
)
def test_columns(scenario, observation):
    """A column the model does not take reaches the collator only if asked for; others always."""
    needed = {"input_ids", "labels"}
    expected = needed if scenario.remove_unused_columns else needed | {data.EXTRA}
    equal("columns that reached the collator", set(observation.columns), expected)


@clause("loop.columns")
@crossing(Scenario(extra_column=True), injection=tuple(Injection))
def test_columns_of_labels(runs, scenario):
    """A column that `label_names` names reaches the collator, whatever the model takes."""
    names = [*scenario.task.labels, data.EXTRA]
    seen = runs.again(scenario, extra_arguments={"label_names": names})
    equal("columns that reached the collator", seen.columns, {"input_ids", *names})


@clause("loop.columns")
@crossing(
    Scenario(varied_lengths=False), architecture=("llama", "bert"), injection=tuple(Injection)
)
def test_columns_of_the_base(runs, scenario):
    """Columns that the base model takes reach it, though no wrapper names them."""
    name = {"llama": "position_ids", "bert": "token_type_ids"}[scenario.architecture]
    examples = [
        {**example, name: [n % 2 for n, _ in enumerate(example["input_ids"])]}
        for example in data.training_examples(scenario)
    ]
    seen = runs.again(scenario, trainer_options={"data_collator": None, "train_dataset": examples})
    for step in seen.steps:
        got = [sorted({"input_ids", name} & set(micro.inputs)) for micro in step.micro_batches]
        equal(f"columns in step {step.number}", got, [sorted(("input_ids", name))] * len(got))


# ---- iterable datasets ----------------------------------------------------------------------

STREAMED = Scenario(iterable="streamed", max_steps=4)


@clause("loop.iterable")
@scenarios(
    lambda _: [
        base.but(injection=how)
        for how in Injection
        for base in (
            STREAMED,
            STREAMED.but(max_steps=8),
            STREAMED.but(accumulation=2, examples=8, max_steps=5),
            Scenario(iterable="sized", epochs=2.0),
            Scenario(iterable="sized", epochs=1.5, accumulation=2),
            Scenario(iterable="sized", examples=9, drop_last=True),
        )
    ]
)
def test_iterable_as_a_list(runs, scenario):
    """An iterable dataset trains exactly as the same examples in a list, in their order."""
    _as_a_list(runs, scenario)


@clause("loop.iterable")
@crossing(STREAMED.but(accumulation=2, max_steps=7), injection=tuple(Injection))
def test_last_window_of_a_pass(runs, scenario):
    """A shorter last window of a pass over streamed data takes its step too."""
    _as_a_list(runs, scenario)


def _as_a_list(runs, scenario):
    got = runs.train(scenario)
    expected = runs.train(scenario.but(iterable="", sampling="sequential"))
    equal("optimizer steps", len(got.steps), len(expected.steps))
    for one, other in paired("steps", got.steps, expected.steps):
        sizes = [len(step.micro_batches) for step in (one, other)]
        equal(f"micro-batches of step {one.number}", *sizes)
        for this, that in zip(one.micro_batches, other.micro_batches, strict=True):
            identical(f"a batch of step {one.number}", this.inputs, that.inputs)
        identical(f"the adapter of step {one.number}", one.after.adapter, other.after.adapter)
    moving = {n: t for n, t in got.first_state.adapter.items() if "lora_B" in n}
    changed("training", moving, got.last_state.adapter)


@clause("loop.iterable")
@crossing(STREAMED, injection=tuple(Injection))
def test_no_length_needs_max_steps(runs, scenario, folder):
    """Without a length and without `max_steps` nothing is trained: the error names the argument."""
    unbounded = {"max_steps": -1, "lr_scheduler_type": "constant"}
    failure = runs.resume_from(scenario, None, folder, extra_arguments=unbounded).failure
    require(failure is not None, "a training without end", "no error", "an error")
    equal("the error", (failure.type, "max_steps" in failure.message), ("ValueError", True))
