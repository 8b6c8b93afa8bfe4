"""An adapter that load_adapter loads for inference has modules_to_save that ask for gradients.

Documented: load_adapter, is_trainable (default False), "If `False`, the adapter will be frozen and
can only be used for inference."
(https://huggingface.co/docs/transformers/main_classes/peft)

Instead: the loaded copy of the head asks for gradients.

Why: transformers/integrations/peft.py, PeftAdapterMixin.load_adapter freezes the modules that are a
BaseTunerLayer; peft's ModulesToSaveWrapper, which holds the copies, is none.
"""

import os
import sys
import tempfile
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
config = peft.LoraConfig(target_modules=["q_proj"], modules_to_save=["lm_head"])
with tempfile.TemporaryDirectory() as folder:
    model = LlamaForCausalLM(LLAMA)
    model.add_adapter(config)
    model.save_pretrained(folder)
    loaded = LlamaForCausalLM(LLAMA)
    loaded.load_adapter(folder)
print("an adapter with modules_to_save=['lm_head'], loaded by load_adapter(folder)")
print("parameters that ask for gradients:")
got = [n for n, p in loaded.named_parameters() if p.requires_grad and "modules_to_save" in n]
print(f"got:      {got}\nexpected: []")
sys.exit(bool(got))
