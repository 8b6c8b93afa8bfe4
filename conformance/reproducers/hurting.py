"""Rules for resumes from what a kill left, or from checkpoints with a damaged file."""

from types import MappingProxyType
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .literals import literal
from .rule import NoScript, Rule

HURT = MappingProxyType(
    {
        **{"dies": False, "dies_in": "", "before": (), "refusing": ""},
        "given": 'f"{folder}/checkpoint-{AT}"',
    }
)
"""What happens to a training before it is resumed: nothing."""

_FILES = (
    *("adapter_model.safetensors", "adapter_config.json", "README.md", "training_args.bin"),
    *("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"),
)
_DAMAGES = {
    "empty": ('damaged.write_bytes(b"")',),
    "cut": ("damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])",),
    "missing": ("damaged.unlink()",),
    "widened": (
        "held = {name: tensor.double() for name, tensor in load_file(damaged).items()}",
        "save_file(held, damaged)",
    ),
    "lost-tensor": (
        "held = load_file(damaged)",
        "save_file({name: held[name] for name in sorted(held)[:-1]}, damaged)",
    ),
    "renamed": (
        'held = {f"other.{name}": tensor for name, tensor in load_file(damaged).items()}',
        "save_file(held, damaged)",
    ),
}


def killed(case: Case, _: Scenario) -> dict[str, Any]:
    """The training is killed in another process, and what it left is resumed from."""
    saving = case.id.startswith("test_killed_while_saving")
    how = {"dies_in": "checkpoint-3/trainer_state.json"} if saving else {"dies": True}
    return {"hurt": {**HURT, **how, "given": "True"}, "resumed_at": 2 if saving else 3}


def refused(case: Case, _: Scenario) -> dict[str, Any]:
    """A file that is cut, or an adapter file that is missing, has to be an error."""
    cut = case.id.startswith("test_truncated_file_refused")
    file = case.id.rstrip("]").rpartition("-")[2].rstrip("*") if cut else "adapter_model"
    file = file if "." in file else f"{file}.safetensors"
    before = _damaged(file, "cut" if cut else "missing")
    return {"hurt": {**HURT, "before": before, "refusing": "must"}, "resumed_at": 3}


def noticed(case: Case, scenario: Scenario) -> dict[str, Any]:
    """A damaged file is an error before any step, or does not matter."""
    inside = case.id.partition("[")[2].rstrip("]")
    inside = inside.removeprefix(f"{scenario.id}-")
    file, _, kind = inside.partition("-")
    test = case.id.partition("[")[0]
    if test == "test_missing_state":
        kind = "missing"
    if test == "test_lost_tensors":
        file, kind = "adapter_model.safetensors", inside
    return {"hurt": {**HURT, "before": _damaged(file, kind), "refusing": "may"}, "resumed_at": 3}


def pickled(_: Case, __: Scenario) -> dict[str, Any]:
    """The adapter is in a file of torch's."""
    before = (
        'held = Path(folder, f"checkpoint-{AT}", "adapter_model.safetensors")',
        'torch.save(load_file(held), held.with_name("adapter_model.bin"))',
        "held.unlink()",
    )
    return {"hurt": {**HURT, "before": before}, "resumed_at": 2}


def _damaged(file: str, kind: str) -> tuple[str, ...]:
    """The statements; raises `NoScript` for a file, and a damage, that is not known."""
    if file not in _FILES or kind not in _DAMAGES:
        raise NoScript(f"no stand-alone script: this damage is not written out, {file} {kind}")
    return (f'damaged = Path(folder, f"checkpoint-{{AT}}", {literal(file)})', *_DAMAGES[kind])


RULES = (
    Rule("resume", "", ("resume.after-kill",), ("test_killed_*",), tells=killed),
    Rule(
        *("resume", "", ("resume.damaged-refused",)),
        ("test_truncated_file_refused", "test_missing_adapter_refused"),
        tells=refused,
    ),
    Rule("resume", "", ("resume.damage-noticed",), tells=noticed),
    Rule("resume", "", ("resume.pickled",), says="^resumed at", tells=pickled),
)
