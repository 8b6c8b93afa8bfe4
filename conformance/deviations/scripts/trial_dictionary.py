"""train(trial={...}) with a dictionary of hyperparameters fails.

Documented: Trainer.train, trial, "the trial run or the hyperparameter dictionary for hyperparameter
search" (https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: RuntimeError: Unknown type for trial <class 'dict'>.

Why: transformers/integrations/integration_utils.py, hp_params takes a dictionary only where Ray
Tune or Weights & Biases is installed, and raises else. (With either it is taken and ignored:
Trainer._hp_search_setup returns where no hyperparameter_search is under way.)
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
    expected = "first learning rate 0.5"
    trained = trainer(folder, logging_steps=1)
    try:
        trained.train(trial={"learning_rate": 0.5})
    except RuntimeError as error:
        return f"RuntimeError: {error}", expected
    return f"first learning rate {trained.state.log_history[0]['learning_rate']}", expected


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("Trainer.train(trial={'learning_rate': 0.5})")
with tempfile.TemporaryDirectory() as folder:
    got, expected = measure(folder)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
