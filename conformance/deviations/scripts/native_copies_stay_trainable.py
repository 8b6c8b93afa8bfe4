"""After a switch to a second adapter the first one's modules_to_save still ask for gradients.

Documented: set_adapter "Sets a specific adapter by forcing the model to use a that adapter and
disable the other adapters." (PeftAdapterMixin.set_adapter,
https://huggingface.co/docs/transformers/main_classes/peft); the trainable weights are those of the
active adapter (https://huggingface.co/docs/transformers/peft).

Instead: the copy of the head that belongs to the first adapter goes on asking for gradients.

Why: peft/tuners/tuners_utils.py, BaseTuner.inject_adapter deactivates the copies of the first
adapter and then restores the requires_grad flags that all parameters had before; set_adapter
(peft/utils/other.py, ModulesToSaveWrapper) clears only the flags of the copy that is active, and by
then none is.
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
for name in ("first", "second"):
    config = peft.LoraConfig(target_modules=["q_proj"], modules_to_save=["lm_head"])
    model.add_adapter(config, adapter_name=name)
model.set_adapter("second")
print("add_adapter 'first' and 'second' with modules_to_save=['lm_head'], set_adapter('second')")
print("parameters of 'first' that ask for gradients:")
named = model.named_parameters()
got = [name for name, p in named if p.requires_grad and "first" in name.split(".")]
print(f"got:      {got}\nexpected: []")
sys.exit(bool(got))
