"""An adapter that a Transformers model loads beside another works without its trained tokens.

Documented: load_adapter loads "adapter weights from file", which then is the active adapter
(https://huggingface.co/docs/transformers/main_classes/peft), trained tokens
(LoraConfig.trainable_token_indices) among them.

Instead: loaded beside the adapter that it was saved from, the same adapter gives other logits; the
layer of the tokens has no active adapter, while the others have the one that was loaded.

Why: transformers/integrations/peft.py, load_adapter has peft inject the adapter for inference;
peft/utils/other.py, TrainableTokensWrapper.update adds its tokens without activating them, and what
was active is let go.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from peft.tuners.tuners_utils import BaseTunerLayer
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
torch.manual_seed(0)
model = LlamaForCausalLM(LLAMA).eval()
tokens = {"embed_tokens": [1, 2]}
config = peft.LoraConfig(target_modules=["q_proj"], trainable_token_indices=tokens)
model.add_adapter(config)
with torch.no_grad():
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.add_(0.5)
    probe = torch.tensor([[1, 2, 3]])
    before = model.eval()(probe).logits
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        model.load_adapter(folder, adapter_name="second")
    after = model.eval()(probe).logits

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("the same adapter loaded once more, as 'second'; what is active in each layer")
for name, module in model.named_modules():
    if isinstance(module, BaseTunerLayer):
        print(f"  {name}: {module.active_adapter}")
got = torch.equal(before, after)
print(f"got:      the same logits: {got}\nexpected: the same logits: True")
sys.exit(not got)
