"""Chapter loop: how examples become batches where the suite's own collator is not used."""

import numpy
import torch
import transformers

from conformance import compat, oracle
from conformance.judging import close, close_tensors, equal, identical, paired, require
from conformance.marks import clause, crossing, native_in_full
from conformance.running import build, data, trainers
from conformance.running.tasks import IGNORED
from conformance.running.tokenizing import numbers
from conformance.scenarios import Injection, Scenario


@clause("loop.default-collator")
@crossing(
    Scenario(varied_lengths=False), architecture=("llama", "bert"), injection=tuple(Injection)
)
def test_default_collator(runs, scenario):
    """Without a collator examples of one length are stacked, `label` becoming `labels`."""
    examples = data.training_examples(scenario)
    if scenario.architecture == "bert":
        examples = [{"input_ids": e["input_ids"], "label": e["labels"]} for e in examples]
    given = {"data_collator": None, "train_dataset": examples}
    got, expected = runs.again(scenario, trainer_options=given), runs.train(scenario)
    _same_batches(got, expected, ("input_ids", "labels"))


@clause("loop.default-collator")
@native_in_full(Scenario(architecture="bert", varied_lengths=False))
def test_default_collator_of_arrays(runs, scenario):
    """The same of arrays and of numpy's numbers, as datasets hand them out: labels stay whole."""
    examples = [
        {"input_ids": numpy.array(e["input_ids"]), "label": numpy.int64(e["labels"])}
        for e in data.training_examples(scenario)
    ]
    given = {"data_collator": None, "train_dataset": examples}
    got, expected = runs.again(scenario, trainer_options=given), runs.train(scenario)
    _same_batches(got, expected, ("input_ids", "labels"))


@clause("loop.default-collator")
@native_in_full(Scenario(architecture="bert"))
def test_default_collator_pads(runs, scenario):
    """With a tokenizer and without a collator, examples are padded to the longest of their batch,
    and what was padded is masked.
    """
    tokenizer = numbers(scenario.family.text_config["vocab_size"])
    examples = [{**e, "labels": int(e["labels"])} for e in data.training_examples(scenario)]
    given = {"data_collator": None, "train_dataset": examples, **compat.processing(tokenizer)}
    got, expected = runs.again(scenario, trainer_options=given), runs.train(scenario)
    _same_batches(got, expected, ("input_ids", "attention_mask", "labels"))


def _same_batches(got, expected, names):
    for one, other in paired("steps", got.steps, expected.steps):
        for mine, theirs in zip(one.micro_batches, other.micro_batches, strict=True):
            wanted = {name: theirs.inputs[name] for name in names}
            identical(f"a batch of step {one.number}", mine.inputs, wanted)
        close(f"the loss of step {one.number}", one.loss, other.loss, oracle.LOSS)


# ---- collators of the library's -------------------------------------------------------------

COLLATORS = {  # by family: the collator documented for its task, and what it is told beside
    "llama": ("DataCollatorForLanguageModeling", {"mlm": False}),
    "t5": ("DataCollatorForSeq2Seq", {}),
    "bert-tokens": ("DataCollatorForTokenClassification", {}),
    "bert": ("DataCollatorWithPadding", {}),
}


@clause("loop.collators")
@crossing(Scenario(epochs=2.0), architecture=COLLATORS)
def test_collators(runs, scenario):
    """Examples without a mask, of any length, are padded, masked and labelled as by hand."""
    name, told = COLLATORS[scenario.architecture]
    tokenizer = numbers(scenario.family.text_config["vocab_size"])
    collator = getattr(transformers, name)(tokenizer, **told)
    drawn = labelled = data.training_examples(scenario)
    if name == "DataCollatorForLanguageModeling":
        drawn = [{"input_ids": example["input_ids"]} for example in drawn]
        labelled = [{**example, "labels": example["input_ids"]} for example in drawn]
    given = {"data_collator": collator, "train_dataset": drawn}
    got = runs.again(scenario, trainer_options=given)
    expected = runs.again(scenario, trainer_options={"train_dataset": labelled})
    _same_batches(got, expected, ("input_ids", "attention_mask", "labels"))


@clause("loop.collators")
@native_in_full(Scenario(architecture="bert-tokens", epochs=2.0))
def test_labels_padded_left(runs, scenario):
    """Where the tokenizer pads on the left, labels are padded there too, each beside its token."""
    tokenizer = numbers(scenario.family.text_config["vocab_size"])
    tokenizer.padding_side = "left"
    collator = transformers.DataCollatorForTokenClassification(tokenizer)
    got = runs.again(scenario, trainer_options={"data_collator": collator})
    examples = {
        tuple(example["input_ids"]): list(example["labels"])
        for example in data.training_examples(scenario)
    }
    for batch in (micro.inputs for step in got.steps for micro in step.micro_batches):
        for text, mask, labels in zip(
            batch["input_ids"], batch["attention_mask"].bool(), batch["labels"], strict=True
        ):
            equal("labels of the text", labels[mask].tolist(), examples[tuple(text[mask].tolist())])
            equal("labels of padding", set(labels[~mask].tolist()) - {IGNORED}, set())


@clause("loop.collators")
@native_in_full(Scenario(architecture="bert"))
def test_numbers_of_labels(runs, scenario):
    """`DataCollatorWithPadding` hands on what is called `label_ids` as `labels`."""
    tokenizer = numbers(scenario.family.text_config["vocab_size"])
    examples = [
        {"input_ids": e["input_ids"], "label_ids": int(e["labels"])}
        for e in data.training_examples(scenario)
    ]
    collator = transformers.DataCollatorWithPadding(tokenizer)
    given = {"data_collator": collator, "train_dataset": examples}
    got, expected = runs.again(scenario, trainer_options=given), runs.train(scenario)
    _same_batches(got, expected, ("input_ids", "attention_mask", "labels"))


@clause("loop.collators")
@native_in_full(Scenario(accumulation=2, epochs=2.0))
def test_flattened(runs, scenario):
    """Examples of a batch laid end to end by `DataCollatorWithFlattening` train as padded ones do:
    no token is predicted from another example's. Tolerance of `conformance.oracle`.

    Since 5.0 the Trainer turns a model's cache off, beside which examples are not told apart.
    """
    compat.require_since({"transformers": "5.0"})
    collator = transformers.DataCollatorWithFlattening()
    got, expected = (
        runs.again(scenario, trainer_options={"data_collator": collator}),
        runs.train(scenario),
    )
    for one, other in paired("steps", got.steps, expected.steps):
        rows = {len(micro.inputs["input_ids"]) for micro in one.micro_batches}
        equal(f"rows of batches of step {one.number}", rows, {1})
        close(f"the loss of step {one.number}", one.loss, other.loss, oracle.LOSS)
        where = f"gradients of step {one.number}"
        close_tensors(where, one.gradients, other.gradients, oracle.GRADIENT)


@clause("loop.collators")
@crossing(Scenario(label_smoothing=0.1), architecture=("t5", "bart"), injection=tuple(Injection))
def test_decoder_inputs(trainer_class, scenario, folder):
    """`DataCollatorForSeq2Seq` that is given the model makes the decoder's inputs of its labels."""
    tokenizer = numbers(scenario.family.text_config["vocab_size"])
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    collator, seen = transformers.DataCollatorForSeq2Seq(tokenizer, model=model), []

    def collate(examples):
        batch = collator(examples)
        require("decoder_input_ids" in batch, "a batch", sorted(batch), "with decoder_input_ids")
        seen.append(batch)
        return batch

    trainers.trainer(trainer_class, scenario, folder, model=model, data_collator=collate).train()
    start, padding = model.config.decoder_start_token_id, model.config.pad_token_id
    for number, batch in enumerate(seen):
        labels = batch["labels"].masked_fill(batch["labels"] == IGNORED, padding)
        first = torch.full_like(labels[:, :1], start)
        made, expected = batch["decoder_input_ids"], torch.cat([first, labels[:, :-1]], dim=1)
        identical(f"what the decoder is given, batch {number}", {"": made}, {"": expected})
    require(bool(seen), "batches", 0, "some")


@clause("loop.collators")
@crossing(
    Scenario(accumulation=2, epochs=2.0),
    architecture=("t5", "bart"),
    adapter=("lora", "prompt-tuning", "p-tuning", "prefix-tuning"),
)
def test_decoder_masks(runs, scenario):
    """A mask of the decoder that leaves out nothing changes nothing, whatever learns a prompt."""
    collate = data.collator(scenario)

    def masked(rows):
        batch = collate(rows)
        return {**batch, "decoder_attention_mask": torch.ones_like(batch["labels"])}

    got = runs.again(scenario, trainer_options={"data_collator": masked})
    expected = runs.train(scenario)
    for one, other in paired("steps", got.steps, expected.steps):
        close(f"the loss of step {one.number}", one.loss, other.loss, oracle.LOSS)
