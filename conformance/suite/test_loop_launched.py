"""Chapter loop: what is counted and drawn where several processes train."""

from conformance.checks.counting import tokens
from conformance.judging import equal, paired
from conformance.marks import clause, crossing_in_full
from conformance.running import saved
from conformance.scenarios import Injection, Scenario

AXES = {"launch": ("ddp", "fsdp2", "fsdp1"), "injection": tuple(Injection)}
COUNTED = Scenario(
    launch="ddp", examples=16, accumulation=2, max_steps=2, count_tokens="all", save="steps"
)


@clause("loop.tokens-seen")
@crossing_in_full(COUNTED, count_tokens=("all", "non_padding"), **AXES)
def test_tokens_seen_by_all(observation):
    """The count logged and saved at each step is of the tokens that all processes trained on."""
    expected = tokens(observation, observation.scenario.count_tokens)
    for seen in observation.ranks:
        logged = [entry["num_input_tokens_seen"] for entry in seen.logs]
        equal("tokens logged", logged, expected)
    for save, count in paired("checkpoints", observation.saves, expected):
        held = saved.trainer_state(save.folder)["num_input_tokens_seen"]
        equal(f"tokens in {save.folder.name}", held, count)


@clause("loop.deterministic")
@crossing_in_full(Scenario(launch="ddp", examples=12, max_steps=2), **AXES)
def test_workers_of_each_rank_draw(runs, scenario):
    """Loaders' workers of different processes draw other numbers, each the same ones again."""
    told = {"drawing": True, "extra_arguments": {"dataloader_num_workers": 1}}
    once, again = (_drawn(runs.again(scenario, **told)) for _ in range(2))
    equal("numbers drawn", again, once)
    equal("draws that differ", len({str(drawn) for drawn in once}), scenario.processes)


def _drawn(observation):
    """The numbers that each rank's examples have drawn, by micro-batch."""
    return [
        [m.inputs["input_ids"][:, 0].tolist() for step in seen.steps for m in step.micro_batches]
        for seen in observation.ranks
    ]
