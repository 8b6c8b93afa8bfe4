"""A prefix in the cache cannot be trained under gradient checkpointing.

Documented: TrainingArguments.gradient_checkpointing trades compute for memory
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments).

Instead: a RuntimeError about sizes of tensors in the backward pass, which names neither the method
nor the argument. peft refuses such a model where checkpointing is on before get_peft_model; the
Trainer turns it on afterwards.

Why: prefixes are handed over as past_key_values; computed again, a block appends its keys to the
cache for a second time (https://github.com/huggingface/peft/issues/869).
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
config = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
with tempfile.TemporaryDirectory() as folder:
    args = TrainingArguments(
        folder,
        max_steps=1,
        gradient_checkpointing=True,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    try:
        Trainer(model, args, train_dataset=rows).train()
        got = "a step"
    except RuntimeError as error:
        got = f"{type(error).__name__}: {error}".splitlines()[0]
print("Trainer(model, TrainingArguments(…, gradient_checkpointing=True)).train()")
print(f"got:      {got}\nexpected: a step")
sys.exit(got != "a step")
