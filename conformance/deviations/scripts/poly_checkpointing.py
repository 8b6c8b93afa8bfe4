"""Poly cannot be trained under gradient checkpointing.

Documented: TrainingArguments.gradient_checkpointing trades compute for memory
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments).

Instead: a ValueError in the backward pass, "task_ids should not be None", though batches have it.

Why: peft/tuners/poly/model.py hands task_ids to its layers by hooks that live for the forward
pass; a block that is computed again in the backward pass finds them gone.
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

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
rows = [{"input_ids": torch.arange(8) + n, "labels": torch.arange(8) + n} for n in range(4)]
rows = [{**row, "task_ids": torch.tensor(0)} for row in rows]
config = peft.PolyConfig(
    task_type="CAUSAL_LM", target_modules=["q_proj"], r=4, n_tasks=2, n_skills=2, n_splits=1
)
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
with tempfile.TemporaryDirectory() as folder:
    args = TrainingArguments(
        folder,
        max_steps=1,
        gradient_checkpointing=True,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    try:
        Trainer(model, args, train_dataset=rows).train()
        got = "a step"
    except ValueError as error:
        got = f"{type(error).__name__}: {error}".splitlines()[0]
print("Trainer(model, TrainingArguments(…, gradient_checkpointing=True)).train()")
print(f"got:      {got}\nexpected: a step")
sys.exit(got != "a step")
