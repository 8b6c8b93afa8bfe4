"""label_smoothing_factor, sampled in a hyperparameter search, does nothing.

Documented: Trainer.hyperparameter_search, hp_space, "defines the hyperparameter search space"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: trials train without label smoothing, whatever was sampled.

Why: transformers/trainer.py, Trainer.__init__ makes its label_smoother once, of the arguments it
was constructed with; _hp_search_setup writes the trial's value into args, where nothing reads it.
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
    search = trainer(folder, logging_steps=1)
    logs = []
    search.hyperparameter_search(
        lambda trial: {"label_smoothing_factor": trial.suggest_float("smooth", 0.5, 0.5)},
        compute_objective=lambda metrics: logs.append(search.state.log_history[0]["loss"]) or 0.0,
        n_trials=1,
        backend="optuna",
    )
    plain = trainer(folder, logging_steps=1, label_smoothing_factor=0.5)
    plain.train()
    first = plain.state.log_history[0]["loss"]
    return f"first loss {logs[0]:.6f}", f"first loss {first:.6f}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("label_smoothing_factor=0.5, of a trial, against given in TrainingArguments")
with tempfile.TemporaryDirectory() as folder:
    got, expected = measure(folder)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
