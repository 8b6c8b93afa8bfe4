"""Chapter evaluation: a Trainer that evaluates and predicts without training."""

import numpy
import pytest
import torch

from conformance import compat, subjects
from conformance.checks.evaluating import is_the_loss
from conformance.checks.logs import speeds_are
from conformance.judging import close, equal, identical, require, same_names
from conformance.marks import clause, crossing
from conformance.running import data, placing, trainers
from conformance.running.looking import tensors, trainable
from conformance.running.losses import loss_function
from conformance.scenarios import Injection, Scenario, core_families, families

AXES = {"architecture": core_families(), "injection": tuple(Injection)}
PLAIN = Scenario()
BATCH = data.EVALUATION_BATCH
IGNORED_OUTPUTS = ["past_key_values", "encoder_last_hidden_state", "aux_loss", "router_logits"]


def _by_hand(trainer, scenario, examples):
    """Logits and labels of each batch, from the Trainer's own model in evaluation mode."""
    collate, model = data.collator(scenario), trainer.model.eval()
    batches = [collate(examples[i : i + BATCH]) for i in range(0, len(examples), BATCH)]
    with torch.no_grad():
        outputs = [model(**placing.batch_for(model, batch)) for batch in batches]
        logits = [placing.kept(output.logits) for output in outputs]
    return [(each, batch["labels"]) for each, batch in zip(logits, batches, strict=True)]


def _rows(tensors):
    """Every row by itself, in order, as bytes can be compared."""
    return [row for tensor in tensors for row in torch.as_tensor(numpy.asarray(tensor))]


@clause("evaluation.speeds")
@pytest.mark.parametrize("kind", ["list", "sized", "streamed", "several"])
@crossing(PLAIN, injection=tuple(Injection))
def test_speeds_alone(trainer_class, scenario, folder, kind):
    """The same of data with a length, without one, and of several datasets."""
    examples = data.evaluation_examples(scenario)
    kinds = {"list": list, "sized": data.SizedStream, "streamed": data.Stream}
    if kind == "several":
        evaluated = {"one": examples[:2], "two": examples}
        trainer = trainers.trainer(trainer_class, scenario, folder, evaluated=evaluated)
        metrics = trainer.evaluate()
        speeds_are(metrics, "eval_one", 2, 1)
        speeds_are(metrics, "eval_two", len(examples), -(-len(examples) // BATCH))
    else:
        trainer = trainers.trainer(trainer_class, scenario, folder)
        metrics = trainer.evaluate(kinds[kind](examples))
        speeds_are(metrics, "eval", len(examples), -(-len(examples) // BATCH))


KEPT = {"dataloader_num_workers": 1, "dataloader_persistent_workers": True}


@clause("evaluation.given-data")
@pytest.mark.parametrize("arguments", [{}, KEPT], ids=["workers-end", "workers-persist"])
@crossing(PLAIN)
def test_named_data(trainer_class, scenario, folder, arguments):
    """Of several datasets that the Trainer has the one that is named is evaluated on."""
    has, _ = _several(scenario)
    trainer = trainers.trainer(
        trainer_class, scenario, folder, evaluated=has, extra_arguments=arguments
    )
    _are_gone_through(trainer, [*has, *has], [*has.values(), *has.values()])


@clause("evaluation.given-data")
@crossing(PLAIN)
def test_given_data(trainer_class, scenario, folder):
    """The dataset that is given is evaluated on, whatever was before."""
    has, given = _several(scenario)
    trainer = trainers.trainer(trainer_class, scenario, folder, evaluated=has)
    _are_gone_through(trainer, [*given, *has], [*given, *has.values()])


@clause("evaluation.given-data")
@crossing(PLAIN)
def test_given_data_and_persistent_workers(trainer_class, scenario, folder):
    """The same where workers persist, of which each has its own dataset."""
    has, given = _several(scenario)
    trainer = trainers.trainer(trainer_class, scenario, folder, evaluated=has, extra_arguments=KEPT)
    _are_gone_through(trainer, given, given)


def _several(scenario):
    """Datasets that differ in length: two by their names, and two without."""
    examples = data.evaluation_examples(scenario)
    return {"one": examples[:1], "two": examples[:2]}, [examples[:3], examples[:4]]


def _are_gone_through(trainer, asked, expected):
    got = [len(trainer.get_eval_dataloader(each).dataset) for each in asked]
    equal("examples of each loader", got, [len(each) for each in expected])


EVEN = [name for name in families() if name != "bert-masked"]  # which masks as many as it draws


@clause("evaluation.loss-present")
@crossing(PLAIN.but(varied_lengths=False), architecture=EVEN, injection=tuple(Injection))
def test_every_family_reference(trainer_class, scenario, folder):
    """Every family and task, whatever its labels are called, reports its loss."""
    examples, own = data.evaluation_examples(scenario), loss_function(scenario)
    named = compat.custom_loss(own) if own else {}
    trainer = trainers.trainer(trainer_class, scenario, folder, evaluated=examples, **named)
    trained = {n: p.detach() for n, p in trainable(trainer.model).items()}
    is_the_loss("eval_loss", trainer.evaluate()["eval_loss"], scenario, trained)


@clause("evaluation.batches-apart")
@crossing(PLAIN, **AXES)
def test_batches_apart(trainer_class, scenario, folder):
    """`compute_metrics` gets lists with one entry a batch, none of them padded."""
    handed, examples = [], data.evaluation_examples(scenario)
    named = {"compute_metrics": lambda found: handed.append(found) or {}}
    apart = {"eval_do_concat_batches": False}
    trainer = trainers.trainer(
        trainer_class, scenario, folder, evaluated=examples, extra_arguments=apart, **named
    )
    loss = trainer.evaluate(ignore_keys=IGNORED_OUTPUTS)["eval_loss"]
    expected = _by_hand(trainer, scenario, examples)
    equal("batches", len(handed[0].predictions), len(expected))
    for number, (logits, labels) in enumerate(expected):
        got = {"logits": handed[0].predictions[number], "labels": handed[0].label_ids[number]}
        found = {name: torch.as_tensor(value) for name, value in got.items()}
        identical(f"batch {number}", found, {"logits": logits, "labels": labels})
    whole = trainers.trainer(trainer_class, scenario, folder, evaluated=examples).evaluate()[
        "eval_loss"
    ]
    close("eval_loss", loss, whole, 1e-6)


@clause("evaluation.predict")
@crossing(PLAIN, **AXES)
def test_predict(trainer_class, scenario, folder):
    """Each example's own logits and labels, in order, and the loss; no weight changes."""
    examples = data.evaluation_examples(scenario)
    trainer = trainers.trainer(trainer_class, scenario, folder, evaluated=examples)
    before = tensors(trainer.model)
    found = trainer.predict(trainer.eval_dataset, ignore_keys=IGNORED_OUTPUTS)
    identical("the model", tensors(trainer.model), before)
    batches = _by_hand(trainer, scenario, examples)
    for what, got, index in (("logits", found.predictions, 0), ("labels", found.label_ids, 1)):
        wanted = _rows(batch[index] for batch in batches)
        equal(f"rows of {what}", len(got), len(wanted))
        for number, row in enumerate(wanted):
            whole, own = torch.as_tensor(got[number]), row.reshape(-1, *row.shape[1:])
            whole = whole.reshape(-1, *row.shape[1:])
            identical(f"{what} of example {number}", {"row": whole[: len(own)]}, {"row": own})
            padding = whole[len(own) :]
            equal(f"padding of {what} {number}", bool((padding == -100).all()), True)
    close("test_loss", found.metrics["test_loss"], trainer.evaluate()["eval_loss"], 1e-6)
    speeds_are(found.metrics, "test", len(examples), -(-len(examples) // BATCH))


@clause("evaluation.predict")
@crossing(Scenario(drop_last=True, varied_lengths=False), injection=tuple(Injection))
def test_predict_whole_batches(trainer_class, scenario, folder):
    """With `dataloader_drop_last` whole batches alone are predicted, and all rows of each."""
    examples = data.evaluation_examples(scenario)
    kept = len(examples) // BATCH * BATCH
    require(kept < len(examples), "examples", len(examples), f"more than {kept}")
    trainer = trainers.trainer(trainer_class, scenario, folder)
    dataset = subjects.of(trainer_class).dataset
    found, expected = (
        trainer.predict(dataset(part), ignore_keys=IGNORED_OUTPUTS)
        for part in (examples, examples[:kept])
    )
    got, wanted = (torch.as_tensor(each.predictions) for each in (found, expected))
    equal("rows", len(got), kept)
    identical("predictions", {"all": got}, {"all": wanted})
    equal("test_loss", found.metrics["test_loss"], expected.metrics["test_loss"])


@clause("evaluation.predict")
@crossing(PLAIN, architecture=("llama", "bert"), injection=tuple(Injection))
def test_predict_without_labels(trainer_class, scenario, folder):
    """Without labels there is neither a loss nor a label, and the same predictions."""
    examples = data.evaluation_examples(scenario)
    trainer = trainers.trainer(trainer_class, scenario, folder, evaluated=examples)
    labelled = trainer.predict(trainer.eval_dataset, ignore_keys=IGNORED_OUTPUTS)
    trainer.data_collator = _unlabelled(trainer.data_collator)
    found = trainer.predict(trainer.eval_dataset, ignore_keys=IGNORED_OUTPUTS)
    equal("labels", found.label_ids, None)
    names = [name for name in labelled.metrics if name != "test_loss"]
    same_names("metrics", found.metrics, names)
    got, expected = (torch.as_tensor(each.predictions) for each in (found, labelled))
    identical("predictions", {"all": got}, {"all": expected})


def _unlabelled(collate):
    return lambda batch: {name: t for name, t in collate(batch).items() if name != "labels"}
