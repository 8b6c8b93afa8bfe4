"""Choosing a device, and forking where a card is to be used. No card is here: some of it lies."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import conformance
from conformance import cards, device
from conformance.contract import load
from conformance.running import build, placing
from conformance.running.launch import fork_server
from conformance.scenarios import Scenario

FORWARD = re.compile(r"\bmodel\(\*\*([\w.]+[(),]?)")
COLD = """
import json, sys
from conformance.running.launch import fork_server
fork_server._stay_on_this_machine()
told = fork_server._launch({**json.loads(sys.argv[1]), "cold": True, "fault": ""})
print(json.dumps([told, "transformers" in sys.modules]))
"""


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lying choice: the device called meta, which torch has everywhere."""
    monkeypatch.setattr(device, "chosen", lambda: "meta")


def test_a_card_that_is_not_asked_for_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("PEFT_CONFORMANCE_DEVICE", "cuda")
    device.choose("cpu")
    assert (device.chosen(), device.os.environ["CUDA_VISIBLE_DEVICES"]) == ("cpu", "")


def test_a_card_is_asked_for_the_same_results_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("PEFT_CONFORMANCE_DEVICE", "cpu")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "0")
    device.choose("cuda")
    told = device.os.environ
    assert (told["CUDA_VISIBLE_DEVICES"], told["CUBLAS_WORKSPACE_CONFIG"]) == ("0", ":4096:8")


def test_one_card_is_taken_and_all_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    monkeypatch.setenv("PEFT_CONFORMANCE_DEVICE", "cuda")
    monkeypatch.delenv("PEFT_CONFORMANCE_CARDS", raising=False)
    device.take_one_card()
    device.take_one_card()
    assert device.os.environ["CUDA_VISIBLE_DEVICES"] == "4"
    assert cards.count() == 2
    device.take_all_cards(device.os.environ)
    assert device.os.environ["CUDA_VISIBLE_DEVICES"] == "4,5"


@pytest.mark.parametrize(
    ("clause", "on", "measure", "judged"),
    [
        ("frozen.bit-identical", "cpu", "", True),
        ("precision.fp16", "cpu", "", False),
        ("precision.fp16", "cuda", "", True),
        ("precision.fp16", "cpu", "cpu", False),
        ("throughput.lora", "cuda", "", False),
        ("throughput.lora", "cpu", "cpu", True),
        ("throughput.lora", "cuda", "quick", True),
        ("precision.fp16-on-cpu", "cpu", "", True),
        ("precision.fp16-on-cpu", "cuda", "", False),
    ],
)
def test_what_is_judged_where(clause: str, on: str, measure: str, judged: bool) -> None:
    assert (device.lacking(load().clause(clause), on, measure) == "") is judged


def test_trainings_stay_on_the_cpu_by_default(tmp_path: Path) -> None:
    scenario = Scenario()
    assert build.arguments(scenario, tmp_path).use_cpu
    assert next(build.base_model(scenario).parameters()).device.type == "cpu"


@pytest.mark.usefixtures("elsewhere")
def test_a_base_goes_to_the_device_and_batches_follow_it() -> None:
    scenario = Scenario()
    base = build.base_model(scenario)
    assert {p.device.type for p in base.parameters()} == {"meta"}
    batch = placing.batch_for(base, {"input_ids": torch.zeros(1, 2)})
    assert batch["input_ids"].device.type == "meta"
    assert not build.argument_values(scenario, Path())["use_cpu"]


def test_the_suite_hands_models_batches_that_were_put_where_they_lie() -> None:
    """On a CPU a batch left behind goes unseen; it is what eight clauses were red for on a card."""
    suite = Path(conformance.__file__).with_name("suite")
    texts = {path.name: path.read_text(encoding="utf-8") for path in suite.glob("*.py")}
    calls = [(name, call) for name, text in texts.items() for call in FORWARD.findall(text)]
    assert len(calls) >= 3
    assert [found for found in calls if found[1] != "placing.batch_for("] == []
    assert [name for name, text in texts.items() if 'device_map="cpu"' in text] == []


def test_what_is_kept_is_a_copy() -> None:
    tensor = torch.zeros(2, requires_grad=True)
    kept = placing.kept(tensor)
    with torch.no_grad():
        tensor.add_(1)
    assert kept.tolist() == [0, 0]
    assert not kept.requires_grad


def test_nothing_is_forked_once_cuda_is_initialised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lying torch: it says that it is, which on a machine without a card it never can be."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with pytest.raises(RuntimeError, match="initialised already"):
        fork_server.require_no_cuda()


def test_ranks_import_for_themselves_where_a_card_is_used(tmp_path: Path) -> None:
    """The process that forks has imported no library that could initialise CUDA."""
    order = {
        "scenario": Scenario(launch="ddp").changed(),
        "ranks": 2,
        "trainer": "transformers:Trainer",
        "folder": str(tmp_path),
        "resume": None,
        "options": {},
        "results": str(tmp_path),
        "patience": 120.0,
    }
    said = subprocess.run(
        [sys.executable, "-c", COLD, json.dumps(order, default=str)],
        capture_output=True,
        check=False,
        text=True,
        env={**device.os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)},
    )
    told, imported = json.loads(said.stdout.splitlines()[-1])
    assert told["statuses"] == [0, 0], told["heard"]
    assert not imported
