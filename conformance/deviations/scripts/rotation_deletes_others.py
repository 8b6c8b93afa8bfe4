"""save_total_limit deletes a folder that is no checkpoint.

Documented: TrainingArguments.save_total_limit, "Maximum number of checkpoints to keep. Deletes
older checkpoints in output_dir"
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments).

Instead: a folder of one's own, output_dir/checkpoint-best, is deleted, once it is a second older
than the newest checkpoint.

Why: the Trainer has checkpoints sorted by the time of their last change (sort_checkpoints in
transformers/trainer_utils.py, Trainer._sorted_checkpoints before 5.0), which takes every folder
checkpoint-*. Only where the times are less than a second apart does it look at the names, and
leaves out those that do not end with a number.
"""

import os
import sys
import tempfile
import time
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

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
torch.manual_seed(0)
config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
rows = torch.randint(3, 64, (8, 8))
with tempfile.TemporaryDirectory() as output_dir:
    own = Path(output_dir, "checkpoint-best")
    own.mkdir()
    an_hour_ago = time.time() - 3600
    os.utime(own, (an_hour_ago, an_hour_ago))
    arguments = TrainingArguments(
        output_dir,
        max_steps=3,
        save_strategy="steps",
        save_steps=1,
        save_total_limit=1,
        use_cpu=True,
        report_to=[],
    )
    Trainer(model, arguments, train_dataset=[{"input_ids": r, "labels": r} for r in rows]).train()
    left = sorted(path.name for path in Path(output_dir).iterdir())
expected = ["checkpoint-3", "checkpoint-best"]
print(f"save_total_limit=1, and a folder of one's own\ngot:      {left}\nexpected: {expected}")
sys.exit(left != expected)
