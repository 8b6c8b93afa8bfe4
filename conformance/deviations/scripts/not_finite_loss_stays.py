"""One NaN loss makes every loss that is logged after it NaN, where losses are not filtered.

Documented: TrainingArguments.logging_steps, "number of update steps between two logs"
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments):
each entry is about its own interval.

Instead: with logging_nan_inf_filter=False the losses of all later steps are logged as NaN, though
they are not.

Why: transformers/trainer.py, Trainer._maybe_log_save_evaluate sets the sum of losses back to zero
by `tr_loss -= tr_loss`, and NaN minus NaN is NaN (so is infinity minus infinity).
"""

import math
import os
import sys
import tempfile
import warnings

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


class OneNaN(Trainer):
    """The loss of the third micro-batch is reported as NaN; its gradient is as it was."""

    batches = 0

    def training_step(self, *args, **kwargs):
        self.batches += 1
        loss = super().training_step(*args, **kwargs)
        return loss + float("nan") if self.batches == 3 else loss


def logged(folder: str, **settings: object) -> list[float]:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder, max_steps=6, use_cpu=True, report_to=[], disable_tqdm=True, **settings
    )
    rows = torch.randint(3, 64, (4, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = OneNaN(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("the third of 6 losses is NaN, logging_steps=1, logging_nan_inf_filter=False")
with tempfile.TemporaryDirectory() as output_dir:
    got = logged(output_dir, logging_steps=1, logging_nan_inf_filter=False)
wrong = sum(math.isnan(loss) for loss in got)
print(f"got:      {[round(loss, 3) for loss in got]}\nexpected: NaN in the third place alone")
sys.exit(wrong != 1)
