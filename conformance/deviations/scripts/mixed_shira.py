"""SHiRA is listed as an adapter to mix with LoRA and cannot be put on the same layer.

Documented: "not all adapter types can be combined. See peft.tuners.mixed.COMPATIBLE_TUNER_TYPES for
a list of compatible types" (https://huggingface.co/docs/peft/developer_guides/mixed_models), which
names SHiRA.

Instead: add_adapter raises ValueError, "SHiRA does not support nested base layers", when the layer
has a LoRA adapter.

Why: a mixed model puts an adapter of another type around the layer of the first;
peft/tuners/shira/layer.py refuses a base layer that is itself an adapter's.
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
lora = peft.LoraConfig(target_modules=["q_proj"])
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), lora, adapter_name="first", mixed=True)
print(f"compatible: {[kind.value for kind in peft.tuners.mixed.COMPATIBLE_TUNER_TYPES]}")
try:
    model.add_adapter("second", peft.ShiraConfig(r=2, target_modules=["q_proj"]))
    got = "added"
except ValueError as error:
    got = f"ValueError: {error}"
expected = "added"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
