"""X-LoRA cannot load its experts into a GPT-2.

Documented: XLoraModel, "this X-LoRA implementation only works with models with a transformer
architecture" (https://huggingface.co/docs/peft/package_reference/xlora), which GPT-2 is.

Instead: ValueError, "Got unexpected keys! Please raise an issue".

Why: peft/tuners/xlora/model.py, _load_adapter_into_lora_model strips a saved name up to "model."
and puts "model." before it, which fits models whose backbone is called "model", as Llama's, and
not those where it is called "transformer".
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

GPT2 = GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=64)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
lora = peft.LoraConfig(target_modules=["c_attn"], fan_in_fan_out=True, task_type="CAUSAL_LM")
base = GPT2LMHeadModel(GPT2)
base.config.use_cache = False
with tempfile.TemporaryDirectory() as folder:
    peft.get_peft_model(GPT2LMHeadModel(GPT2), lora).save_pretrained(folder)
    config = peft.XLoraConfig(task_type="CAUSAL_LM", hidden_size=16, adapters={"0": folder})
    try:
        peft.get_peft_model(base, config)
        got = "a model"
    except ValueError as error:
        got = f"ValueError: {str(error).splitlines()[0]}"
expected = "a model"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
