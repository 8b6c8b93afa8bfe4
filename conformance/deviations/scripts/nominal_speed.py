"""train_samples_per_second counts samples that were not trained on.

Documented: speed_metrics, "num_samples: number of samples processed"
(transformers/trainer_utils.py); it is what train_samples_per_second is computed with.

Instead: with max_steps every batch counts as a full one, though an epoch's last may be smaller;
and with epochs alone every example counts, though dataloader_drop_last=True leaves some out.

Why: transformers/trainer.py, Trainer.set_initial_training_values computes num_train_samples from
the schedule, `max_steps * total_train_batch_size` or `num_examples * num_train_epochs`, and
Trainer._finalize_training hands that to speed_metrics; what was trained on is not counted.
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


def samples(folder: str, **schedule: float) -> int:
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        per_device_train_batch_size=4,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        **schedule,
    )
    rows = torch.randint(3, 64, (10, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    output = trainer.train()
    speeds = [output.metrics[f"train_{what}_per_second"] for what in ("samples", "steps")]
    return round(speeds[0] / speeds[1] * output.global_step)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print(
    "10 examples in batches of 4, 4 and 2; samples = samples per second / steps per second * steps"
)
with tempfile.TemporaryDirectory() as output_dir:
    got = {
        "max_steps=3": samples(output_dir, max_steps=3),
        "drop_last": samples(output_dir, num_train_epochs=1, dataloader_drop_last=True),
    }
expected = {"max_steps=3": 10, "drop_last": 8}
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
