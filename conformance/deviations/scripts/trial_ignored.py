"""train(trial=...) with a trial of Optuna's ignores its values.

Documented: Trainer.train, trial, "the trial run or the hyperparameter dictionary for hyperparameter
search" (https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the training is that of the arguments alone, without an error; trainer_state.json names the
values as those trained with.

Why: transformers/trainer.py, Trainer._hp_search_setup returns where no hyperparameter_search is
under way (`self.hp_search_backend is None`).
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import optuna
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
    trained = trainer(folder, logging_steps=1)
    trained.train(trial=optuna.trial.FixedTrial({"learning_rate": 0.5}))
    rate = trained.state.log_history[0]["learning_rate"]
    return f"first learning rate {rate}", "first learning rate 0.5"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("Trainer.train(trial=FixedTrial({'learning_rate': 0.5}))")
with tempfile.TemporaryDirectory() as folder:
    got, expected = measure(folder)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
