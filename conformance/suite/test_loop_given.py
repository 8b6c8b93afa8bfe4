"""Chapter loop: optimizers, schedules, seeds and data given in their documented other forms."""

import pytest
import torch

from conformance import compat, oracle
from conformance.checks.logs import losses_are_means
from conformance.checks.resume import same_batches
from conformance.judging import changed, close, close_tensors, equal, identical, paired, require
from conformance.marks import clause, crossing, native_in_full
from conformance.running import build, data, hooks, trainers
from conformance.running.looking import trainable
from conformance.running.schedules import learning_rate
from conformance.running.single import ADAPTER_SEED
from conformance.scenarios import Injection, Scenario

# ---- optimizers -----------------------------------------------------------------------------

ADAM = {"adam_beta1": 0.5, "adam_beta2": 0.9, "adam_epsilon": 0.01}


@clause("loop.optimizer-arguments")
@native_in_full(Scenario(epochs=2.0))
def test_adam_arguments(runs, scenario):
    """Adam's betas and epsilon are those of the arguments: each step is recomputed by hand.

    Tolerance: the dozen float32 roundings of a step, added up over ten of them.
    """
    observation = runs.again(scenario, extra_arguments=ADAM)
    weights, moments = dict(observation.first_state.adapter), {}
    one, two, epsilon = ADAM.values()
    for step in observation.steps:
        for name, gradient in step.clipped.items():
            first, second = moments.get(name, (0.0, 0.0))
            first = one * first + (1 - one) * gradient
            second = two * second + (1 - two) * gradient.square()
            moments[name] = first, second
            root = (second / (1 - two**step.number)).sqrt() + epsilon
            way = first / (1 - one**step.number) / root
            weights[name] = weights[name] - step.learning_rates[0] * way
        close_tensors(f"the adapter of step {step.number}", step.after.adapter, weights, 1e-5)


SGD = Scenario(optimizer="sgd", learning_rate=0.3, schedule="constant")


def _same_training(got, expected):
    for one, other in paired("steps", got.steps, expected.steps):
        equal(f"rates of step {one.number}", set(one.learning_rates), set(other.learning_rates))
        identical(f"the adapter of step {one.number}", one.after.adapter, other.after.adapter)
    moving = {n: t for n, t in got.first_state.adapter.items() if "lora_B" in n}
    changed("training", moving, got.last_state.adapter)


@clause("loop.given-optimizer")
@native_in_full(SGD.but(schedule="linear"))
def test_optimizer_class(runs, scenario):
    """`optimizer_cls_and_kwargs` is used instead of `optim`, over the Trainer's own groups."""
    given = compat.optimizer_of_ones_own(torch.optim.SGD, lr=scenario.learning_rate)
    plain = scenario.but(optimizer="adamw_torch", learning_rate=0.01)
    _same_training(runs.again(plain, trainer_options=given), runs.train(scenario))


@clause("loop.given-optimizer")
@native_in_full(SGD)
def test_optimizers(runs, trainer_class, scenario, folder):
    """`optimizers=(optimizer, scheduler)` are stepped as they are, and no others are made."""
    model = build.inject(scenario, build.base_model(scenario), ADAPTER_SEED)
    trained = trainable(model)
    optimizer = torch.optim.SGD(trained.values(), lr=0.6)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    watcher, plain = hooks.RateWatcher(), scenario.but(optimizer="adamw_torch", schedule="linear")
    given = {"optimizers": (optimizer, scheduler), "callbacks": [watcher]}
    trainers.trainer(trainer_class, plain, folder, model=model, **given).train()
    equal("rates", watcher.rates, [scenario.learning_rate] * scenario.steps)
    expected = runs.train(scenario).last_state.adapter
    identical("the adapter", {n: trained[n].detach() for n in expected}, expected)


# ---- schedules ------------------------------------------------------------------------------


@clause("loop.schedule")
@native_in_full(Scenario(epochs=2.0, warmup_steps=3))
def test_warmup_share(runs, scenario):
    """A warm-up below 1 is that share of all steps, rounded up."""
    observation = runs.again(scenario, extra_arguments={"warmup_steps": 0.25})
    for step in observation.steps:
        expected = learning_rate(scenario, step.number - 1)
        close(f"the rate of step {step.number}", step.learning_rates[0], expected, 1e-15)


# ---- intervals ------------------------------------------------------------------------------


@clause("loop.cadence")
@native_in_full(Scenario(epochs=2.0, evaluate="steps", save="steps"))
def test_cadence_by_shares(runs, scenario):
    """Intervals below 1 are shares of all steps, rounded up."""
    shares = {"logging_steps": 0.2, "eval_steps": 0.25, "save_steps": 0.45}
    observation = runs.again(scenario, extra_arguments=shares)
    equal("logs", [entry["step"] for entry in observation.logs], [2, 4, 6, 8, 10])
    losses_are_means(observation)
    evaluated = [entry["step"] for entry in observation.evaluations]
    require(evaluated in ([3, 6, 9], [3, 6, 9, 10]), "evaluations", evaluated, [3, 6, 9])
    equal("checkpoints", [save.step for save in observation.saves], [5, 10])


@clause("loop.cadence")
@native_in_full(Scenario(evaluate="steps"))
def test_evaluates_with_the_logs(runs, scenario):
    """Without an interval of their own evaluations come with the logs."""
    intervals = {"logging_steps": 2, "eval_steps": None}
    observation = runs.again(scenario, extra_arguments=intervals)
    evaluated = [entry["step"] for entry in observation.evaluations]
    require(evaluated in ([2, 4], [2, 4, 5]), "evaluations", evaluated, [2, 4])


# ---- seeds ----------------------------------------------------------------------------------


@clause("loop.data-seed")
@pytest.mark.parametrize("seed", [8, 0])
@native_in_full(Scenario(epochs=2.0))
def test_data_seed(runs, scenario, seed):
    """`data_seed` orders the data as a `seed` of that value does."""
    compat.seeded_samplers()
    observation = runs.again(scenario, extra_arguments={"data_seed": seed})
    expected, plain = runs.train(scenario.but(seed=seed)), runs.train(scenario)
    for one, other in paired("steps", observation.steps, expected.steps):
        same_batches(f"step {one.number}", other, one)
    first, others = (seen.first.micro_batches[0].inputs for seen in (observation, plain))
    require(
        not torch.equal(first["input_ids"], others["input_ids"]), "batches", "as by seed", "not"
    )


# ---- called twice ---------------------------------------------------------------------------


@clause("loop.again")
@native_in_full(Scenario(epochs=2.0))
def test_least_rate_again(trainer_class, scenario, folder):
    """A second `train()` falls to `min_lr` over a cosine of its own from the rate it is told."""
    given = {"min_lr": 0.002}
    told = {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": given}
    watcher = hooks.RateWatcher()
    options = {"callbacks": [watcher], "extra_arguments": told}
    trainer = trainers.trainer(trainer_class, scenario, folder, **options)
    trainer.train()
    trainer.train()
    falling = scenario.but(schedule="cosine_with_min_lr")
    rates = [learning_rate(falling, step, given) for step in range(scenario.steps)]
    for number, (got, rate) in enumerate(zip(watcher.rates, rates * 2, strict=True), 1):
        close(f"the rate of step {number} of both", got, rate, 1e-15)


@clause("loop.again")
@crossing(Scenario(accumulation=2, epochs=2.0, examples=8), injection=tuple(Injection))
def test_again(trainer_class, scenario, folder):
    """A second `train()` trains on, over a schedule, steps and a log of its own."""
    model = build.inject(scenario, build.base_model(scenario), ADAPTER_SEED)
    watcher = hooks.RateWatcher()
    trainer = trainers.trainer(trainer_class, scenario, folder, model=model, callbacks=[watcher])
    first = trainer.train()
    before = {n: p.detach().clone() for n, p in trainable(model).items()}
    second = trainer.train()
    rates = [learning_rate(scenario, step) for step in range(scenario.steps)]
    equal("rates of both", watcher.rates, [*rates, *rates])
    equal("global_step", (first.global_step, second.global_step), (scenario.steps,) * 2)
    equal("epoch", second.metrics["epoch"], first.metrics["epoch"])
    equal("total_flos", second.metrics["total_flos"], first.metrics["total_flos"])
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    equal("losses logged", len(losses), scenario.steps)
    close("training_loss", second.training_loss, sum(losses) / len(losses), oracle.LOGGED_LOSS)
    after = dict(model.named_parameters())
    changed("the second training", {n: t for n, t in before.items() if "lora_B" in n}, after)


# ---- data -----------------------------------------------------------------------------------


@clause("loop.datasets")
@crossing(Scenario(extra_column=True, epochs=2.0), injection=tuple(Injection))
def test_datasets_library(runs, scenario):
    """A `datasets.Dataset` trains exactly as a list does, without columns that are not taken."""
    compat.need("datasets")
    from datasets import Dataset

    given = {"train_dataset": Dataset.from_list(data.training_examples(scenario))}
    got, expected = runs.again(scenario, trainer_options=given), runs.train(scenario)
    equal("columns that reached the collator", got.columns, {"input_ids", "labels"})
    _same_training(got, expected)


class Alternating(data.SizedStream):
    """A stream that is told the epoch, and goes backwards in odd ones."""

    epoch = 0

    def set_epoch(self, epoch):
        """What data loaders call where there is such a method."""
        self.epoch = epoch

    def __iter__(self):
        return iter(self.drawn[:: -1 if self.epoch % 2 else 1])


@clause("loop.iterable")
@native_in_full(Scenario(iterable="sized", epochs=2.0, varied_lengths=False))
def test_stream_is_told_the_epoch(runs, scenario):
    """`set_epoch` of an iterable dataset is called with each epoch before it is gone through."""
    given = {"train_dataset": Alternating(data.training_examples(scenario))}
    observation = runs.again(scenario, trainer_options=given)
    rows = [m.inputs["input_ids"] for s in observation.steps for m in s.micro_batches]
    half = len(rows) // 2
    first, second = torch.cat(rows[:half]), torch.cat(rows[half:])
    identical("the second epoch's examples", {"ids": second}, {"ids": first.flip(0)})


class Leading(list):
    """Examples that begin with a token which tells the epoch they are in."""

    epoch = 0

    def set_epoch(self, epoch):
        """What data loaders call where there is such a method."""
        self.epoch = epoch

    def __getitem__(self, index):
        example = super().__getitem__(index)
        return {**example, "input_ids": [3 + self.epoch, *example["input_ids"][1:]]}


@clause("loop.datasets")
@native_in_full(Scenario(epochs=3.0))
def test_dataset_is_told_the_epoch(runs, scenario):
    """`set_epoch` of a dataset of examples is called with each epoch before it is gone through."""
    given = {"train_dataset": Leading(data.training_examples(scenario))}
    observation = runs.again(scenario, trainer_options=given)
    rows = [m.inputs["input_ids"] for s in observation.steps for m in s.micro_batches]
    told = [token - 3 for row in rows for token in row[:, 0].tolist()]
    expected = [epoch for epoch in range(3) for _ in range(scenario.examples)]
    equal("epochs that the examples were told", told, expected)


@clause("loop.group-by-length")
@crossing(
    Scenario(sampling="group_by_length", examples=64),
    architecture=("llama", "bert", "t5"),
    accumulation=(1, 2),
    injection=tuple(Injection),
)
def test_group_by_length(trainer_class, scenario, folder):
    """Batches hold examples of like length: little padding; and each example is there once.

    Lengths are 5 to 12. In a random order two of them differ by 2.6 on average; in a sorted window
    of 16, two neighbours by less than half a token.
    """
    shuffled, grouped = [
        _loaded(trainer_class, scenario.but(sampling=sampling), folder)
        for sampling in ("random", "group_by_length")
    ]
    texts = [sorted(text for batch in seen for text in batch) for seen in (grouped, shuffled)]
    equal("examples of an epoch", *texts)
    padded = [
        sum(max(map(len, b)) * len(b) - sum(map(len, b)) for b in seen)
        for seen in (grouped, shuffled)
    ]
    require(4 * padded[0] < padded[1], "padding", padded[0], f"a fraction of {padded[1]}")


@clause("loop.group-by-length")
@native_in_full(Scenario(sampling="group_by_length", examples=64))
def test_lengths_of_ones_own(trainer_class, scenario, folder):
    """Lengths that the data bring in `length_column_name` are gone by, and not the examples'."""
    compat.need("datasets")
    from datasets import Dataset

    rows = [{**e, "own": i % 2} for i, e in enumerate(data.training_examples(scenario))]
    own = {tuple(row["input_ids"]): row["own"] for row in rows}
    given = {"extra_arguments": {"length_column_name": "own"}}
    dataset = Dataset.from_list(rows)
    seen = _loaded(trainer_class, scenario, folder, train_dataset=dataset, **given)
    mixed = [batch for batch in seen if len({own[text] for text in batch}) > 1]
    # Each of four sorted windows has one at most, and the first has another's longest example.
    require(len(mixed) <= 6, "batches of two lengths", len(mixed), "at most 6 of 32")


@clause("loop.group-by-length")
@crossing(Scenario(sampling="group_by_length", examples=64), seed=(1, 2, 3, 4))
def test_one_longest(trainer_class, scenario, folder):
    """The same where one example is the longest, in whichever window of the order it lies."""
    lengths = [len(example["input_ids"]) for example in data.training_examples(scenario)]
    longest = lengths.index(max(lengths))
    examples = [
        example
        for index, example in enumerate(data.training_examples(scenario))
        if index == longest or len(example["input_ids"]) < max(lengths)
    ]
    seen = _loaded(trainer_class, scenario, folder, train_dataset=examples)
    texts = sorted(text for batch in seen for text in batch)
    equal("examples of an epoch", texts, sorted(tuple(e["input_ids"]) for e in examples))


def _loaded(trainer_class, scenario, folder, **named):
    """The texts of each batch of an epoch, without padding."""
    loader = trainers.trainer(trainer_class, scenario, folder, **named).get_train_dataloader()
    return [
        [tuple(row[: int(mask.sum())].tolist()) for row, mask in zip(*pair, strict=True)]
        for pair in ((batch["input_ids"], batch["attention_mask"]) for batch in loader)
    ]
