"""Of two callbacks of one class, neither gets its state back when a training is resumed.

Documented: TrainingArguments.restore_callback_states_from_checkpoint, "will override callbacks
passed to the Trainer if they exist in the checkpoint"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: both get the states that they had when the training began.

Why: transformers/trainer.py, Trainer._save_checkpoint appends to the list of states that
TrainerState made of several callbacks of a class when training began, and never replaces them;
_load_callback_state pairs the callbacks with the first entries of that list.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState

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
torch.manual_seed(0)
ROWS = torch.randint(3, 64, (6, 8))
DATA = [{"input_ids": row, "labels": row} for row in ROWS]


def model() -> peft.PeftModel:
    torch.manual_seed(0)
    return peft.get_peft_model(
        LlamaForCausalLM(LLAMA), peft.LoraConfig(target_modules=["q_proj", "v_proj"])
    )


class Counting(TrainerCallback, ExportableState):
    def __init__(self) -> None:
        self.count = 0

    def on_step_end(self, *_, **__):
        self.count += 1

    def state(self):
        return {"args": {}, "attributes": {"count": self.count}}


def trainer(folder: str) -> Trainer:
    arguments = TrainingArguments(
        folder,
        max_steps=3,
        save_strategy="steps",
        save_steps=1,
        restore_callback_states_from_checkpoint=True,
        use_cpu=True,
        report_to=[],
    )
    return Trainer(model(), arguments, train_dataset=DATA, callbacks=[Counting(), Counting()])


def measure(folder: str) -> tuple[str, str]:
    trainer(folder).train()
    resumed = trainer(folder)
    resumed.train(resume_from_checkpoint=f"{folder}/checkpoint-2")
    counts = [c.count for c in resumed.callback_handler.callbacks if isinstance(c, Counting)]
    return f"steps counted: {counts}", "steps counted: [3, 3]"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("two callbacks that count steps; 3 steps, resumed from checkpoint-2, states restored")
with tempfile.TemporaryDirectory() as folder:
    got, expected = measure(folder)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
