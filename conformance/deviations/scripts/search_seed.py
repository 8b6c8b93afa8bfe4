"""A seed that is sampled in a hyperparameter search does not seed the trial.

Documented: the default search space samples `seed` (default_hp_space_optuna), and
TrainingArguments.seed says "to ensure reproducibility across runs, use the Trainer.model_init
function to instantiate the model if it has some randomly initialized parameters"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the adapter is drawn, and the data are ordered, with the seed of the trial before.

Why: transformers/trainer.py, Trainer.train calls set_seed(args.seed) and call_model_init before
_hp_search_setup, which writes the trial's values into args and whose comment still says that it
"might change the seed so needs to run first".
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

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
    return peft.get_peft_model(
        LlamaForCausalLM(LLAMA), peft.LoraConfig(target_modules=["q_proj", "v_proj"])
    )


def trainer(folder: str, **given) -> Trainer:
    arguments = TrainingArguments(
        folder, max_steps=2, save_strategy="no", use_cpu=True, report_to=[], **given
    )
    return Trainer(args=arguments, model_init=model, train_dataset=DATA, eval_dataset=DATA)


class First(TrainerCallback):
    """Keeps a weight that each training begins with."""

    def __init__(self) -> None:
        self.weights = []

    def on_train_begin(self, args, state, control, model, **_):
        weight = next(p for n, p in model.named_parameters() if "lora_A" in n)
        self.weights.append(round(float(weight.detach().flatten()[0]), 6))


def measure(folder: str) -> tuple[str, str]:
    searched, given = First(), First()
    search = trainer(folder)
    search.add_callback(searched)
    search.hyperparameter_search(
        lambda trial: {"seed": trial.suggest_int("seed", 5, 5)}, n_trials=1, backend="optuna"
    )
    plain = trainer(folder, seed=5)
    plain.add_callback(given)
    plain.train()
    return f"lora_A begins with {searched.weights}", f"lora_A begins with {given.weights}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("a trial with seed=5, against TrainingArguments(seed=5); model_init draws a LoRA adapter")
with tempfile.TemporaryDirectory() as folder:
    got, expected = measure(folder)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
