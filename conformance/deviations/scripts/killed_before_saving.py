"""A process killed as it begins to save leaves a checkpoint that resuming picks and fails on.

Documented: Trainer.train(resume_from_checkpoint=True), "load the last checkpoint in
args.output_dir as saved by a previous instance of Trainer"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: ValueError: Can't find a valid checkpoint at checkpoint-2, though checkpoint-1 is whole.
The user has to find and delete the half-written folder before the job can go on.

Why: transformers/trainer.py, Trainer._save_checkpoint writes file after file into the final
folder, trainer_state.json last, and transformers/trainer_utils.py, get_last_checkpoint takes the
folder with the greatest number, whatever it holds.
"""

import os
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

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


def train(folder: str, checkpoint: bool) -> int:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        max_steps=3,
        save_strategy="steps",
        save_steps=1,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (4, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer.train(resume_from_checkpoint=checkpoint).global_step


def die_while_saving(event: str, details: tuple) -> None:
    """Kill this process when it starts to write the first file of the second checkpoint."""
    if event == "open" and str(details[0]).endswith("checkpoint-2/README.md"):
        os.kill(os.getpid(), signal.SIGKILL)


def resume(folder: str) -> str:
    try:
        return f"resumed, trained to step {train(folder, checkpoint=True)}"
    except ValueError as error:
        return f"ValueError: {str(error).replace(folder, '...')}"


if len(sys.argv) > 1:  # the process that is killed
    sys.addaudithook(die_while_saving)
    train(sys.argv[1], checkpoint=False)
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("train in a process killed while it writes checkpoint-2, train(resume_from_checkpoint=True)")
with tempfile.TemporaryDirectory() as output_dir:
    killed = subprocess.run(
        [sys.executable, __file__, output_dir], check=False, capture_output=True
    )
    left = sorted(path.name for path in Path(output_dir).iterdir())
    print(f"exit status {killed.returncode}, left behind: {left}")
    got = resume(output_dir)
expected = "resumed, trained to step 3"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
