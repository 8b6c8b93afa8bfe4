"""With disable_tqdm=True the metrics that train() returns lack total_flos.

Documented: Trainer.train() returns "TrainOutput: object containing the global step count, training
loss, and metrics", and the metrics of log_metrics list total_flos
(https://huggingface.co/docs/transformers/main_classes/trainer). How logs are shown is no part of
it.

Instead: total_flos is there with a progress bar and missing without one.

Why: transformers/trainer_callback.py, PrinterCallback.on_log does `logs.pop("total_flos", None)`
on the dictionary it is handed, and transformers/trainer.py, Trainer._finalize_training hands the
very metrics it returns to Trainer.log. ProgressCallback.on_log pops from a copy.
"""

import contextlib
import io
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


def metrics(folder: str) -> set[str]:
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (4, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    with contextlib.redirect_stdout(io.StringIO()):
        return set(trainer.train().metrics)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("train one step with disable_tqdm=True")
with tempfile.TemporaryDirectory() as output_dir:
    found = metrics(output_dir)
got = f"{sorted(found)}"
expected = f"{sorted(found | {'total_flos'})}"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
