"""Chapter evaluation: what evaluations during training report, and that they change nothing."""

from conformance import oracle
from conformance.checks.evaluating import is_the_loss
from conformance.checks.logs import evaluations_are_timed
from conformance.judging import close, equal, identical, paired, require
from conformance.marks import clause, crossing, native_in_full
from conformance.running import data, trainers
from conformance.scenarios import Injection, Scenario, core_families

BOTH = tuple(Injection)
EVALUATED = Scenario(evaluate="steps", varied_lengths=False)


@clause("evaluation.loss-present")
@crossing(EVALUATED, architecture=core_families(), injection=BOTH)
def test_loss_present_reference(observation):
    """`eval_loss` is reported at each evaluation, and is the mean loss over the evaluation data."""
    _evaluates_as_by_hand(observation)


@clause("evaluation.loss-present")
@crossing(
    EVALUATED,
    architecture=("llama", "bert", "t5"),
    label_smoothing=(0.2, 0.0),
    custom_loss=(False, True),
    accumulation=(2, 1),
    injection=BOTH,
)
def test_loss_of_ones_own_reference(observation):
    """The same under label smoothing, with a loss of one's own, and while accumulating."""
    _evaluates_as_by_hand(observation)


@clause("evaluation.speeds")
@crossing(EVALUATED, architecture=core_families(), injection=BOTH)
def test_speeds(observation):
    """Each evaluation during training is timed, over the examples and batches of its data."""
    evaluations_are_timed(observation)


@clause("evaluation.mode")
@crossing(EVALUATED.but(dropout=0.2), architecture=core_families(), injection=BOTH)
def test_without_dropout_reference(observation):
    """Evaluations of models with dropout report the loss without dropout."""
    _evaluates_as_by_hand(observation)


def _evaluates_as_by_hand(observation):
    every = list(range(1, observation.scenario.steps + 1))
    equal("evaluations", [e["step"] for e in observation.evaluations], every)
    for step, entry in paired("evaluations", observation.steps, observation.evaluations):
        what, adapter = f"eval_loss at step {step.number}", step.after.adapter
        is_the_loss(what, entry["eval_loss"], observation.scenario, adapter)


@clause("evaluation.mode")
@crossing(Scenario(weight_decay=0.1, epochs=2.0), architecture=core_families(), injection=BOTH)
def test_changes_no_weight(runs, scenario):
    """With evaluations and without them the training is bit-identical."""
    without, evaluated = runs.train(scenario), runs.train(scenario.but(evaluate="steps"))
    equal("evaluations", len(evaluated.evaluations), scenario.steps)
    for expected, got in paired("steps", without.steps, evaluated.steps):
        where = f"after step {expected.number}"
        identical(f"the adapter {where}", got.after.adapter, expected.after.adapter)
    identical("the base", evaluated.base_after, without.base_after)


@clause("evaluation.mode")
@crossing(architecture=core_families(), injection=BOTH)
def test_draws_no_random_numbers(runs, scenario):
    """With evaluations and without them every micro-batch meets the generator in the same state."""
    without, evaluated = runs.train(scenario), runs.train(scenario.but(evaluate="steps"))
    for expected, got in paired("steps", without.steps, evaluated.steps):
        rngs = [[micro.rng for micro in step.micro_batches] for step in (got, expected)]
        equal(f"states of torch's generator in step {expected.number}", *rngs)


@clause("evaluation.mode")
@native_in_full(Scenario(evaluate="steps"))
def test_half_precision_is_for_afterwards(runs, scenario):
    """`bf16_full_eval` casts no model that is being trained: the same training and evaluations."""
    plain = runs.train(scenario)
    halved = runs.again(scenario, extra_arguments={"bf16_full_eval": True})
    identical("the base", halved.base_after, plain.base_after)
    for expected, got in paired("steps", plain.steps, halved.steps):
        where = f"after step {expected.number}"
        identical(f"the adapter {where}", got.after.adapter, expected.after.adapter)
    losses = [[entry["eval_loss"] for entry in seen.evaluations] for seen in (halved, plain)]
    equal("eval_loss", *losses)


@clause("evaluation.ignore-keys")
@crossing(Scenario(architecture="t5", evaluate="epoch", varied_lengths=False), injection=BOTH)
def test_ignore_keys(trainer_class, scenario, folder):
    """Outputs named in `ignore_keys_for_eval` never reach `compute_metrics`, neither before the
    first step nor later; the others do.
    """
    gathered = []

    def metrics(prediction):
        found = prediction.predictions
        gathered.append(len(found) if isinstance(found, tuple) else 1)
        return {}

    examples = data.evaluation_examples(scenario)
    told = {"evaluated": examples, "compute_metrics": metrics}
    early = {"eval_on_start": True}
    trainer = trainers.trainer(trainer_class, scenario, folder, extra_arguments=early, **told)
    ignored = ["past_key_values"]
    trainer.train(ignore_keys_for_eval=ignored)
    trainer.train(ignore_keys_for_eval=[*ignored, "encoder_last_hidden_state"])
    equal("outputs gathered, with the encoder's and without", gathered, [2, 2, 1, 1])


@clause("evaluation.datasets")
@crossing(Scenario(evaluate="epoch", varied_lengths=False), injection=BOTH)
def test_datasets(trainer_class, scenario, folder):
    """Each dataset of a dictionary gets its metrics, those of evaluating it alone."""
    examples = data.evaluation_examples(scenario)
    parts = {"one": examples[:2], "two": examples[2:]}
    trainer = trainers.trainer(trainer_class, scenario, folder, evaluated=parts)
    trainer.train()
    for name in parts:
        logged = [
            e[f"eval_{name}_loss"] for e in trainer.state.log_history if f"eval_{name}_loss" in e
        ]
        require(len(logged) == 1, f"logs of eval_{name}_loss", logged, "one")
        alone = trainer.evaluate(trainer.eval_dataset[name])["eval_loss"]
        close(f"eval_{name}_loss", logged[0], alone, oracle.LOSS)
