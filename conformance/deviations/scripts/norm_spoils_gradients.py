"""Without clipping, one infinite gradient turns every other gradient into NaN.

Documented: TrainingArguments.max_grad_norm, "maximum gradient norm (for gradient clipping)"
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments).

Instead: with max_grad_norm=0 the optimizer gets NaN for every gradient, of which all but one were
finite.

Why: transformers/trainer.py, Trainer._get_grad_norm computes the norm to log by clip_grad_norm_
with an infinite maximum, which multiplies every gradient by infinity over the norm: NaN when that
is infinite.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

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


class Spoiled(TrainerCallback):
    """Counts the parameters whose gradient holds NaN when the optimizer steps."""

    count = 0

    def on_pre_optimizer_step(self, args, state, control, model, **kwargs):
        held = [p.grad for p in model.parameters() if p.grad is not None]
        self.count, self.of = sum(bool(grad.isnan().any()) for grad in held), len(held)


torch.manual_seed(0)
config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
first = next(p for p in model.parameters() if p.requires_grad)
first.register_hook(lambda gradient: torch.full_like(gradient, float("inf")))
rows = torch.randint(3, 64, (4, 8))
spoiled = Spoiled()
with tempfile.TemporaryDirectory() as output_dir:
    arguments = TrainingArguments(
        output_dir, max_steps=1, max_grad_norm=0.0, use_cpu=True, report_to=[], disable_tqdm=True
    )
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=[spoiled])
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print(f"one of {spoiled.of} gradients is infinite, max_grad_norm=0: gradients that hold NaN")
print(f"got:      {spoiled.count}\nexpected: 0")
sys.exit(bool(spoiled.count))
