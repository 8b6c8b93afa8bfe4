"""Lily and RandLora that were added with `add_adapter` cannot be saved.

Documented: an adapter added with add_adapter is saved by save_pretrained
(https://huggingface.co/docs/transformers/peft), and "supported adapters are non-prompt learning
methods" (https://huggingface.co/docs/transformers/main_classes/peft).

Instead: RuntimeError, "the weights trying to be saved contained shared tensors", at the first
checkpoint of a training.

Why: their layers share projections (lily_B, randlora_A and randlora_B), which
get_peft_model_state_dict names once a layer. PeftModel.save_pretrained clones such duplicates;
transformers/modeling_utils.py, PreTrainedModel.save_pretrained refuses them.
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


def save(config: peft.PeftConfig) -> str:
    model = LlamaForCausalLM(LLAMA)
    model.add_adapter(config)
    with tempfile.TemporaryDirectory() as folder:
        try:
            model.save_pretrained(folder)
        except RuntimeError as error:
            return f"RuntimeError: {str(error)[:60]}"
    return "saved"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
targets = ["q_proj", "v_proj"]
methods = {"Lily": "LilyConfig", "RandLora": "RandLoraConfig"}  # the first came later
got = {
    name: save(getattr(peft, config)(r=4, target_modules=targets))
    for name, config in methods.items()
    if hasattr(peft, config)
}
expected = dict.fromkeys(got, "saved")
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
