"""X-LoRA that was added with `add_adapter` trains nothing.

Documented: PeftAdapterMixin.add_adapter, "adds a fresh new adapter to the current model for
training purpose", "supported adapters are non-prompt learning methods"
(https://huggingface.co/docs/transformers/main_classes/peft).

Instead: the model takes it and has no trainable parameter; the first backward pass fails.

Why: what X-LoRA trains is the classifier of XLoraModel (peft/tuners/xlora/model.py), which
inject_adapter_in_model drops: it keeps the layers alone, the frozen experts. `uses_shared_state`,
by which peft/mapping.py refuses other methods for that, is not set for X-LoRA.
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
base = LlamaForCausalLM(LLAMA)
base.config.use_cache = False
with tempfile.TemporaryDirectory() as folder:
    expert = peft.get_peft_model(
        LlamaForCausalLM(LLAMA), peft.LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    )
    expert.save_pretrained(folder)
    base.add_adapter(
        peft.XLoraConfig(task_type="CAUSAL_LM", hidden_size=16, adapters={"0": folder})
    )
trainable = [name for name, parameter in base.named_parameters() if parameter.requires_grad]
print("add_adapter(XLoraConfig(...)) is accepted")
got = f"{len(trainable)} trainable parameters"
print(f"got:      {got}\nexpected: a refusal, or those of the classifier")
sys.exit(not trainable)
