"""Chapter evaluation: what `compute_metrics` is handed, and the arguments that change it."""

import numpy
import torch

from conformance.judging import close, empty, equal, identical, require
from conformance.marks import clause, crossing
from conformance.running import build, data, placing, trainers
from conformance.running.data import IGNORED
from conformance.running.single import ADAPTER_SEED
from conformance.scenarios import Injection, Scenario, core_families

EVALUATED = Scenario(evaluate="epoch", examples=4)
AXES = {"architecture": core_families(), "injection": tuple(Injection)}
BATCH = 2  # examples an evaluation batch


class Metrics:
    """A `compute_metrics` that keeps what it is handed, as arrays, call by call."""

    def __init__(self):
        self.calls = []

    def __call__(self, handed, compute_result=True):
        """Keep it; the metric is the number of calls."""
        self.calls.append((handed, compute_result))
        return {"calls": len(self.calls)} if compute_result else {}


def _evaluated(runs, scenario, metrics, named=None, **arguments):
    """A training with one evaluation at its end, which hands to ``metrics``; T5 hands logits."""
    options = {"compute_metrics": metrics, **(named or {})}
    if scenario.family.task == "seq2seq-lm":
        options["preprocess_logits_for_metrics"] = _first_of(named)
    return runs.again(scenario, trainer_options=options, extra_arguments=arguments)


def _first_of(named):
    """T5's outputs are logits and its encoder's states; ``named`` may have what takes logits."""
    given = (named or {}).get("preprocess_logits_for_metrics", lambda logits, _: logits)
    return lambda outputs, labels: given(outputs[0], labels)


def _by_hand(observation):
    """Logits and labels of each evaluation batch, from a fresh model with the trained adapter."""
    scenario = observation.scenario
    model = build.inject(scenario, build.base_model(scenario), ADAPTER_SEED).eval()
    parameters, examples = dict(model.named_parameters()), data.evaluation_examples(scenario)
    collate, batches = data.Collator(scenario.family.task), []
    with torch.no_grad():
        for name, tensor in observation.last_state.adapter.items():
            parameters[name].copy_(tensor)
        for start in range(0, len(examples), BATCH):
            batch = collate(examples[start : start + BATCH])
            logits = placing.kept(model(**placing.batch_for(model, batch)).logits)
            batches.append((logits, batch["labels"], batch["input_ids"]))
    return batches


def _padded(tensors):
    """All rows one below the other, shorter ones padded with -100 on the right."""
    if tensors[0].dim() == 1 or len({tensor.shape[1] for tensor in tensors}) == 1:
        return torch.cat(tensors)
    longest = max(tensor.shape[1] for tensor in tensors)
    whole = []
    for tensor in tensors:
        missing = torch.full((len(tensor), longest - tensor.shape[1], *tensor.shape[2:]), IGNORED)
        whole.append(torch.cat([tensor, missing.to(tensor.dtype)], dim=1))
    return torch.cat(whole)


def _same(what, got, expected):
    """Arrays or tensors, wherever they lie: batches are handed over from the device."""
    held = placing.kept(got) if torch.is_tensor(got) else torch.as_tensor(numpy.asarray(got))
    identical(what, {"all": held}, {"all": expected})


@clause("evaluation.compute-metrics")
@crossing(EVALUATED, **AXES)
def test_compute_metrics(runs, scenario):
    """It gets the logits and labels of all evaluation examples, in their order, padded by -100."""
    metrics = Metrics()
    observation = _evaluated(runs, scenario, metrics)
    ((handed, _),) = metrics.calls
    logits, labels, _ = zip(*_by_hand(observation), strict=True)
    _same("predictions", handed.predictions, _padded(logits))
    _same("labels", handed.label_ids, _padded(labels))
    equal("its metric in the log", [e["eval_calls"] for e in observation.evaluations], [1])


@clause("evaluation.accumulation-steps")
@crossing(EVALUATED, **AXES)
def test_accumulation_steps(runs, scenario):
    """`eval_accumulation_steps` changes neither predictions nor labels nor the loss."""
    plain, moved = Metrics(), Metrics()
    expected = _evaluated(runs, scenario, plain)
    observation = _evaluated(runs, scenario, moved, eval_accumulation_steps=1)
    ((one, _),), ((other, _),) = moved.calls, plain.calls
    _same("predictions", one.predictions, torch.as_tensor(other.predictions))
    _same("labels", one.label_ids, torch.as_tensor(other.label_ids))
    losses = [seen.evaluations[0]["eval_loss"] for seen in (observation, expected)]
    equal("eval_loss", *losses)


@clause("evaluation.batch-metrics")
@crossing(EVALUATED, **AXES)
def test_batch_metrics(runs, scenario):
    """`batch_eval_metrics` hands over batch by batch, and asks for the result with the last."""
    metrics, asked = Metrics(), {"include_for_metrics": ["loss"]}
    observation = _evaluated(runs, scenario, metrics, batch_eval_metrics=True, **asked)
    expected = _by_hand(observation)
    equal("results asked for", [asked for _, asked in metrics.calls], [False, False, True])
    for (handed, _), (logits, labels, _) in zip(metrics.calls, expected, strict=True):
        _same("predictions of a batch", handed.predictions, logits)
        _same("labels of a batch", handed.label_ids, labels)
        require(handed.losses is not None, "losses of a batch", handed.losses, "as asked for")
    equal("the last result", [e["eval_calls"] for e in observation.evaluations], [3])


@clause("evaluation.include-for-metrics")
@crossing(EVALUATED, **AXES)
def test_include_for_metrics(runs, scenario):
    """Inputs and losses are handed over where asked for, and not where they are not."""
    with_both, without = Metrics(), Metrics()
    observation = _evaluated(runs, scenario, with_both, include_for_metrics=["inputs", "loss"])
    _evaluated(runs, scenario, without)
    ((handed, _),) = without.calls
    equal("inputs and losses unasked for", (handed.inputs, handed.losses), (None, None))
    ((handed, _),) = with_both.calls
    tokens = [inputs for _, _, inputs in _by_hand(observation)]
    _same("inputs", handed.inputs, _padded(tokens))
    mean = float(numpy.mean(handed.losses))
    close("the mean of the losses", mean, observation.evaluations[0]["eval_loss"], 1e-6)


@clause("evaluation.preprocess-logits")
@crossing(EVALUATED, **AXES)
def test_preprocess_logits(runs, scenario):
    """Predictions are what `preprocess_logits_for_metrics` makes of each batch's logits."""
    metrics = Metrics()
    reduced = {"preprocess_logits_for_metrics": lambda logits, labels: logits.argmax(dim=-1)}
    observation = _evaluated(runs, scenario, metrics, reduced)
    ((handed, _),) = metrics.calls
    logits = [logits.argmax(dim=-1) for logits, _, _ in _by_hand(observation)]
    _same("predictions", handed.predictions, _padded(logits))


@clause("evaluation.loss-only")
@crossing(EVALUATED, **AXES)
def test_loss_only(runs, scenario):
    """`prediction_loss_only` reports the same loss and gathers nothing for metrics."""
    metrics = Metrics()
    expected = _evaluated(runs, scenario, Metrics())
    observation = _evaluated(runs, scenario, metrics, prediction_loss_only=True)
    equal("calls of compute_metrics", len(metrics.calls), 0)
    losses = [seen.evaluations[0]["eval_loss"] for seen in (observation, expected)]
    equal("eval_loss", *losses)


@clause("evaluation.ignore-keys")
@crossing(EVALUATED, **AXES)
def test_ignored_by_evaluate(trainer_class, scenario, folder):
    """`evaluate(ignore_keys=…)` gathers none of those outputs: without logits nothing is left."""
    metrics, evaluated = Metrics(), data.evaluation_examples(scenario)[:BATCH]
    trainer = trainers.trainer(
        trainer_class, scenario, folder, evaluated=evaluated, compute_metrics=metrics
    )
    others = ["past_key_values", "encoder_last_hidden_state"]
    trainer.evaluate(ignore_keys=others)
    equal("the shape of what was gathered", metrics.calls[0][0].predictions.ndim, _rank(scenario))
    trainer.evaluate(ignore_keys=[*others, "logits"])
    left = [handed.predictions for handed, _ in metrics.calls[1:]]
    empty("outputs gathered all the same", [each for each in left if len(each)])


def _rank(scenario):
    return 2 if scenario.family.task == "sequence-classification" else 3


# ---- when ------------------------------------------------------------------------------------


@clause("evaluation.cadence")
@crossing(Scenario(evaluate="steps", eval_steps=2, epochs=2.0), injection=tuple(Injection))
def test_on_start(runs, scenario):
    """`eval_on_start` evaluates once more, before the first step, and changes no training."""
    plain = runs.train(scenario)
    started = runs.again(scenario, extra_arguments={"eval_on_start": True})
    steps = [entry["step"] for entry in plain.evaluations]
    equal("evaluations", [entry["step"] for entry in started.evaluations], [0, *steps])
    identical("the adapter", started.adapters_after, plain.adapters_after)


@clause("evaluation.cadence")
@crossing(Scenario(epochs=3.0), evaluate=("steps", "epoch"), injection=tuple(Injection))
def test_delay(runs, scenario):
    """`eval_delay` lets so many steps, or epochs, pass without an evaluation."""
    delay = 7 if scenario.evaluate == "steps" else 2
    delayed = runs.again(scenario, extra_arguments={"eval_delay": delay})
    expected = list(range(7, 16)) if scenario.evaluate == "steps" else [10, 15]
    steps = [entry["step"] for entry in delayed.evaluations]
    equal("evaluations", steps, expected)
    require(len(delayed.steps) == 15, "optimizer steps", len(delayed.steps), 15)
