"""Merging a diverged LNTuning adapter safely puts its NaN into the model.

Documented: merge_and_unload, safe_merge, "whether to activate the safe merging check to check if
there is any potential Nan in the adapter weights"
(https://huggingface.co/docs/peft/package_reference/layernorm_tuning).

Instead of a ValueError: a merged model whose norms are NaN.

Why: peft/tuners/ln_tuning/layer.py, LNTuningLayer.merge takes safe_merge and does not look at it.
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
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LNTuningConfig(task_type="CAUSAL_LM"))
with torch.no_grad():
    for parameter in (p for p in model.parameters() if p.requires_grad):
        parameter.fill_(float("nan"))
print("LNTuning whose weights are NaN, merge_and_unload(safe_merge=True)")
try:
    merged = model.merge_and_unload(safe_merge=True)
    got = f"a model with NaN in {sum(bool(p.isnan().any()) for p in merged.parameters())} weights"
except ValueError as error:
    got = f"ValueError: {error}"
print(f"got:      {got}\nexpected: a ValueError")
sys.exit(not got.startswith("ValueError"))
