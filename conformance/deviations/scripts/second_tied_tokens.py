"""A second adapter of trainable tokens breaks a model with tied embeddings.

Documented: a PEFT model takes several adapters, add_adapter and set_adapter
(https://huggingface.co/docs/peft/package_reference/peft_model); trainable tokens follow tied
weights (https://huggingface.co/docs/peft/package_reference/trainable_tokens).

Instead: once a second adapter was added, every forward pass raises ValueError,
"TrainableTokensLayer wraps an unknown layer type".

Why: peft/tuners/trainable_tokens/model.py, inject_adapter wraps the tied head again for each
adapter. After the second one the head is a TrainableTokensLayer around a TrainableTokensLayer,
which forward_adapters (peft/tuners/trainable_tokens/layer.py) does not take for a base layer.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

GPT2 = GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=64)
TOKENS = peft.TrainableTokensConfig(
    task_type="CAUSAL_LM", target_modules=["wte"], token_indices=[3, 5]
)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
model = peft.get_peft_model(GPT2LMHeadModel(GPT2), TOKENS, adapter_name="first")
model.add_adapter("second", TOKENS)
print("a forward pass of a GPT-2 with two adapters of trainable tokens")
try:
    model(input_ids=torch.tensor([[3, 4, 5]]))
    got = "logits"
except ValueError as error:
    got = f"ValueError: {error}"
expected = "logits"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
