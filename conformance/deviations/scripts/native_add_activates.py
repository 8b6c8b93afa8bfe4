"""Adding an adapter beside another to a Transformers model activates it.

Documented: "Note that the newly added adapter is not automatically activated. To activate it, use
`model.set_adapter`." (PeftAdapterMixin.add_adapter,
https://huggingface.co/docs/transformers/main_classes/peft)

Instead: the added adapter is the active one, and what is trained next.

Why: transformers/integrations/peft.py, PeftAdapterMixin.add_adapter ends in
`self.set_adapter(adapter_name)`.
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
model = LlamaForCausalLM(LLAMA)
model.add_adapter(peft.LoraConfig(target_modules=["q_proj", "v_proj"]), adapter_name="first")
model.add_adapter(peft.LoraConfig(target_modules=["q_proj", "v_proj"]), adapter_name="second")
print("add_adapter(..., 'first'), add_adapter(..., 'second'), active_adapters()")
got, expected = model.active_adapters(), ["first"]
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
