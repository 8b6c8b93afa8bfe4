"""Looking at a context-aware prompt, or saving it, may change it in its last bit.

Documented: CPT bounds the size of what it adds to each token's embedding; saving an adapter is
nowhere said to change it (https://huggingface.co/docs/peft/package_reference/cpt).

Instead: get_peft_model_state_dict, called twice in a row, gives other values the second time.

Why: peft/tuners/cpt/model.py, CPTEmbedding.forward scales each delta whose norm is above its bound
down to the bound and stores it in the parameter. Rounding leaves some norms an ulp above the bound,
so that the next call scales those again; get_prompt_embedding_to_save calls forward as well.
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
    vocab_size=256,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)
TOKENS = 200

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
config = peft.CPTConfig(
    task_type="CAUSAL_LM",
    cpt_token_ids=list(range(TOKENS)),
    cpt_tokens_type_mask=[1, 2, 3, 4] * (TOKENS // 4),
)
torch.manual_seed(0)
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
delta = model.prompt_encoder["default"].delta_embedding.weight
with torch.no_grad():
    delta.copy_(torch.randn(delta.shape))
peft.get_peft_model_state_dict(model)
before = delta.detach().clone()
peft.get_peft_model_state_dict(model)
moved = int((before != delta).any(dim=1).sum())
print(f"of {TOKENS} deltas, those that a second look at the adapter changes")
print(f"got:      {moved}\nexpected: 0")
sys.exit(bool(moved))
