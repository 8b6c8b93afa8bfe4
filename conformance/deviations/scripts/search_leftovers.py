"""A trial that does not sample a value trains with that of the trial before.

Documented: Trainer.hyperparameter_search, hp_space, a function of the trial, as Optuna's
define-by-run search spaces are, whose branches need not sample the same
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: what a trial leaves out is not as it was given to the Trainer, but as an earlier trial set
it, and neither Optuna nor the returned BestRun knows.

Why: transformers/trainer.py, Trainer._hp_search_setup writes a trial's values into the Trainer's
own args, and nothing brings the given ones back.
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
    search = trainer(folder, learning_rate=1e-3)
    rates = []

    def space(trial) -> dict:
        if trial.number == 1:
            return {}
        return {"learning_rate": trial.suggest_float("learning_rate", 0.5, 0.5)}

    search.hyperparameter_search(
        space,
        compute_objective=lambda _: rates.append(search.args.learning_rate) or 0.0,
        n_trials=2,
        backend="optuna",
    )
    return f"learning rates {rates}", "learning rates [0.5, 0.001]"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("learning_rate=1e-3 given; a trial that samples 0.5, and one that samples nothing")
with tempfile.TemporaryDirectory() as folder:
    got, expected = measure(folder)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
