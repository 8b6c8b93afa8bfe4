"""Lengths that a dataset brings along are not used for grouping by length.

Documented: TrainingArguments.length_column_name, "column name for precomputed lengths. If the
column exists, grouping by length will use these values rather than computing them on train startup"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the sampler counts the tokens of every example, which takes the time that was to be saved,
and goes by those counts.

Why: transformers/trainer.py, Trainer._get_dataloader removes the columns that the model does not
take, that of the lengths among them, before it has the sampler made of what is left;
Trainer._get_train_sampler then finds no such column. Until 4.51 it was handed the whole dataset.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
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
# older releases have another argument for it
GROUPED = {"train_sampling_strategy": "group_by_length"}
if not hasattr(TrainingArguments, "train_sampling_strategy"):
    GROUPED = {"group_by_length": True}

config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
expected = [7, 5, 9, 6]
rows = [{"input_ids": [1, 2, 3], "labels": [1, 2, 3], "length": n} for n in expected]
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(folder, use_cpu=True, report_to=[], **GROUPED)
    dataset = datasets.Dataset.from_list(rows)
    trainer = Trainer(model, arguments, train_dataset=dataset)
    loader = trainer.get_train_dataloader()
    sampler = loader.batch_sampler.sampler

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("the lengths that the sampler goes by, of examples that say theirs in a column")
got = list(sampler.lengths)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
