"""Under save_strategy="best" a checkpoint that a callback asks for is not written.

Documented: TrainerControl.should_save, "whether or not the model should be saved at this step"
(https://huggingface.co/docs/transformers/main_classes/callback).

Instead: no checkpoint, where that step has an evaluation that gives no new best metric.

Why: transformers/trainer.py, Trainer._maybe_log_save_evaluate assigns
`self.control.should_save = is_new_best_metric`, which takes back what callbacks asked for.
"""

import os
import sys
import tempfile
import warnings
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
torch.manual_seed(0)
ROWS = torch.randint(3, 64, (6, 8))
DATA = [{"input_ids": row, "labels": row} for row in ROWS]


def model() -> peft.PeftModel:
    torch.manual_seed(0)
    return peft.get_peft_model(
        LlamaForCausalLM(LLAMA), peft.LoraConfig(target_modules=["q_proj", "v_proj"])
    )


class Asking(TrainerCallback):
    def on_step_end(self, args, state, control, **_):
        if state.global_step == 2:
            control.should_save = True


def measure(folder: str) -> tuple[str, str]:
    arguments = TrainingArguments(
        folder,
        max_steps=3,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="best",
        metric_for_best_model="score",
        greater_is_better=True,
        use_cpu=True,
        report_to=[],
    )
    scores = iter([3.0, 2.0, 1.0])
    Trainer(
        model(),
        arguments,
        train_dataset=DATA,
        eval_dataset=DATA,
        callbacks=[Asking()],
        compute_metrics=lambda _: {"score": next(scores)},
    ).train()
    there = sorted(path.name for path in Path(folder).glob("checkpoint-*"))
    return str(there), "['checkpoint-1', 'checkpoint-2']"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("save_strategy='best', the first evaluation is best; a callback asks to save at step 2")
with tempfile.TemporaryDirectory() as folder:
    got, expected = measure(folder)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
