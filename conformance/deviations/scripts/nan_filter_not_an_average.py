"""A NaN loss that is filtered is logged as zero, or as less than any valid loss.

Documented: TrainingArguments.logging_nan_inf_filter, "replaces NaN/Inf training losses with the
average of recent valid losses"
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments).

Instead: with logging_steps=1 a loss of 0.0 is logged for the step, and with more steps a mean of
the interval that is too low.

Why: transformers/trainer.py, Trainer._run_epoch adds the sum of the losses since the last log,
divided by the number of steps since then and one more, for the step that is still running; right
after a log that sum is zero.
"""

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
print("the third of 6 losses is NaN, logging_nan_inf_filter=True")
low = 0
for steps in (1, 3):
    with tempfile.TemporaryDirectory() as output_dir:
        losses = logged(output_dir, logging_steps=steps)
    print(f"logging_steps={steps}: {[round(loss, 3) for loss in losses]}")
    low += min(losses) < 0.9 * max(losses)
print(
    f"got:      {low} of 2 far too low\nexpected: a loss like the others, about {max(losses):.1f}"
)
sys.exit(bool(low))
