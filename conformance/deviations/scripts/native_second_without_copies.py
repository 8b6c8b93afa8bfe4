"""A Transformers model with an adapter that trains copies takes no second adapter without them.

Documented: PeftAdapterMixin.add_adapter "Adds a fresh new adapter to the current model for training
purpose" (https://huggingface.co/docs/transformers/main_classes/peft).

Instead: ValueError, and the model is left with half of the second adapter.

Why: transformers/integrations/peft.py, add_adapter ends with set_adapter, which calls that of every
module that has one; peft's wrapper of copied modules (peft/utils/other.py,
AuxiliaryTrainingWrapper.set_adapter) refuses a name for which it holds no copy. PeftModel's
set_adapter goes by what each adapter has.
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
PLAIN = {"target_modules": ["q_proj"]}
COPIES = {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
model = LlamaForCausalLM(LLAMA)
model.add_adapter(peft.LoraConfig(**COPIES))
print("add_adapter(…, modules_to_save=['lm_head']), add_adapter(…, adapter_name='second')")
try:
    model.add_adapter(peft.LoraConfig(**PLAIN), adapter_name="second")
    got = f"active {model.active_adapters()}"
except ValueError as error:
    got = f"ValueError: {error}"
print(f"got:      {got}\nexpected: active ['second']")
sys.exit(got != "active ['second']")
