"""A model whose `add_adapter` was refused cannot take any adapter.

Documented: PeftAdapterMixin.add_adapter refuses prompt learning ("supported adapters are non-prompt
learning methods") and takes LoRA (https://huggingface.co/docs/transformers/main_classes/peft).

Instead: after the refusal add_adapter(LoraConfig(...)) raises AttributeError, "object has no
attribute 'peft_config'".

Why: transformers/integrations/peft.py, add_adapter sets _hf_peft_config_loaded before peft has
accepted the config. The next call takes it that there is an adapter and looks for its name.
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
transformers.logging.disable_progress_bar()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
model = LlamaForCausalLM(LLAMA)
try:
    model.add_adapter(peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
except ValueError as error:
    print(f"add_adapter(PromptTuningConfig(...)): ValueError: {error}")
try:
    model.add_adapter(peft.LoraConfig(target_modules=["q_proj"]))
    got = "added"
except AttributeError as error:
    got = f"AttributeError: {error}"
print("add_adapter(LoraConfig(...)) after that")
expected = "added"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
