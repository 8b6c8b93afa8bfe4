"""A checkpoint that was not written whole is what resume_from_checkpoint=True picks and fails on.

Documented: Trainer.train(resume_from_checkpoint=True), "load the last checkpoint in
args.output_dir as saved by a previous instance of Trainer"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: a process that is killed while it writes checkpoint-2, or whose disk fills then, leaves
what it had written; the next train(resume_from_checkpoint=True) takes that for the last checkpoint
and fails, though checkpoint-1 is whole. The user has to find and delete the half-written folder
before the job can go on.

Why: transformers/trainer.py, Trainer._save_checkpoint writes file after file into the final folder,
trainer_state.json last, and removes nothing when one fails; transformers/trainer_utils.py,
get_last_checkpoint takes the folder with the greatest number, whatever it holds.
"""

import os
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)


class FullDisk(TrainerCallback):
    """From the second step on, no file may grow beyond 600 bytes."""

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 1:
            most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, most))


def train(folder: Path, checkpoint: bool, *callbacks: TrainerCallback) -> str:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        str(folder),
        max_steps=3,
        save_strategy="steps",
        save_steps=1,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (4, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=list(callbacks))
    trainer.remove_callback(transformers.PrinterCallback)
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).replace(str(folder), '...')}"
    return f"trained to step {trainer.state.global_step}"


def killed_at(file: str) -> Callable[[Path], str]:
    """A training whose process is killed as it begins to write that file of checkpoint-2."""

    def die(event: str, details: tuple) -> None:
        if event == "open" and str(details[0]).endswith(f"checkpoint-2/{file}"):
            os.kill(os.getpid(), signal.SIGKILL)

    def first(folder: Path) -> str:
        sys.addaudithook(die)
        return train(folder, False)

    return first


def alone(act: Callable[[Path], str], folder: Path, said: Path) -> str:
    """What ``act`` says in a process of its own, or the signal that ended it."""
    if (child := os.fork()) == 0:
        said.write_text(act(folder))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return said.read_text() if status == 0 else f"ended by signal {os.WTERMSIG(status)}"


WAYS = {
    "killed as it begins to write": killed_at("README.md"),
    "killed once the adapter is written": killed_at("adapter_config.json"),
    "killed before the last file": killed_at("trainer_state.json"),
    "the disk fills": lambda folder: train(folder, False, FullDisk()),
}

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("checkpoint-2 is not written whole; then train(resume_from_checkpoint=True)")
failed, expected = 0, "trained to step 3"
with tempfile.TemporaryDirectory() as scratch:
    for number, (way, act) in enumerate(WAYS.items()):
        folder, said = Path(scratch) / str(number), Path(scratch) / f"{number}.txt"
        first = alone(act, folder, said)
        left = sorted(path.name for path in folder.iterdir())
        resumed = alone(lambda folder: train(folder, True), folder, said)
        print(f"{way}: {first}; left {left}; resumed: {resumed}")
        failed += resumed != expected
print(f"got:      {failed} of {len(WAYS)} resumed with an error\nexpected: {expected}, by all")
sys.exit(bool(failed))
