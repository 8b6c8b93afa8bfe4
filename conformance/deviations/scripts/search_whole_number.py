"""Fractions that are sampled in a hyperparameter search are cut to whole numbers.

Documented: Trainer.hyperparameter_search, hp_space, "defines the hyperparameter search space", and
TrainingArguments.weight_decay (`float`), warmup_steps (`int` or `float`)
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: trials train with 0 where the argument was given, or is by default, the whole number 0.

Why: transformers/trainer.py, Trainer._hp_search_setup casts every value to the type of the one that
it replaces: `value = type(old_attr)(value)`.
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
torch.manual_seed(0)
ROWS = torch.randint(3, 64, (6, 8))
DATA = [{"input_ids": row, "labels": row} for row in ROWS]


def model() -> peft.PeftModel:
    torch.manual_seed(0)
    return peft.get_peft_model(
        LlamaForCausalLM(LLAMA), peft.LoraConfig(target_modules=["q_proj", "v_proj"])
    )


def trainer(folder: str, **given) -> Trainer:
    arguments = TrainingArguments(
        folder, max_steps=2, save_strategy="no", use_cpu=True, report_to=[], **given
    )
    return Trainer(args=arguments, model_init=model, train_dataset=DATA, eval_dataset=DATA)


def measure(folder: str) -> tuple[str, str]:
    search = trainer(folder, weight_decay=0, warmup_steps=0)
    seen = []

    def objective(_: dict) -> float:
        seen.append((search.args.weight_decay, search.args.warmup_steps))
        return 0.0

    search.hyperparameter_search(
        lambda trial: {
            "weight_decay": trial.suggest_float("weight_decay", 0.25, 0.25),
            "warmup_steps": trial.suggest_float("warmup_steps", 0.5, 0.5),
        },
        compute_objective=objective,
        n_trials=1,
        backend="optuna",
    )
    return f"weight_decay and warmup_steps {seen[0]}", "weight_decay and warmup_steps (0.25, 0.5)"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("weight_decay=0, warmup_steps=0 given; a trial that samples 0.25 and 0.5")
with tempfile.TemporaryDirectory() as folder:
    got, expected = measure(folder)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
