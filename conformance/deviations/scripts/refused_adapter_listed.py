"""A second adapter that add_adapter refuses stays on the model's list, and can be activated.

Documented: PeftAdapterMixin.set_adapter "Sets a specific adapter by forcing the model to use a that
adapter and disable the other adapters", and refuses names of adapters that are not there
(https://huggingface.co/docs/transformers/main_classes/peft).

Instead: after an add_adapter that raised, set_adapter takes the name of what was never added, and
the model answers as the base.

Why: peft/tuners/tuners_utils.py, BaseTuner.__init__ puts the new config among those of the model
before any module is looked for, and nothing takes it out again when none is found; PeftModel's
add_adapter does, PeftAdapterMixin's (transformers/integrations/peft.py) does not.
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
model = LlamaForCausalLM(LLAMA)
model.add_adapter(peft.LoraConfig(target_modules=["q_proj"]))
try:
    model.add_adapter(peft.LoraConfig(target_modules=["nonesuch"]), adapter_name="second")
except ValueError as error:
    print(f"add_adapter(...), add_adapter(..., 'second'): {type(error).__name__}")
print("set_adapter('second')")
try:
    model.set_adapter("second")
    got = f"adapters {sorted(model.peft_config)}, active {model.active_adapters()}"
except ValueError as error:
    got = f"ValueError: {error}"
print(f"got:      {got}\nexpected: a ValueError")
sys.exit(not got.startswith("ValueError"))
