"""A PeftModel whose last adapter was deleted fails in every forward pass.

Documented: PeftModel.delete_adapter "Deletes an existing adapter."
(https://huggingface.co/docs/peft/package_reference/peft_model)

Instead of the base's logits: KeyError, the name of the adapter that was deleted.

Why: peft/peft_model.py, PeftModel.delete_adapter sets its active_adapter anew only if exactly one
active adapter is left; with none it keeps the deleted one's name, and forward asks peft_config for
it.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()

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
base = LlamaForCausalLM(LLAMA)
model = peft.get_peft_model(base, peft.LoraConfig(target_modules=["q_proj"]))
model.delete_adapter("default")
print("get_peft_model, delete_adapter('default'), model(...)")
expected = "logits (1, 3, 64)"
try:
    got = f"logits {tuple(model(torch.tensor([[3, 4, 5]])).logits.shape)}"
except KeyError as error:
    got = f"KeyError: {error}"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
