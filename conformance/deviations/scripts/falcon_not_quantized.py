"""Falcon loaded in 4 bits is not quantized.

Documented: BitsAndBytesConfig.load_in_4bit, "4-bit quantization by replacing the Linear layers with
FP4/NF4 layers from bitsandbytes"
(https://huggingface.co/docs/transformers/main_classes/quantization), for any model that contains
torch.nn.Linear layers.

Instead: no layer is replaced, the model keeps its full size, and a warning says so, of eetq.

Why: transformers/integrations/bitsandbytes.py, replace_with_bnb_linear, asks for `type(module) is
nn.Linear`; all of Falcon's are a subclass (models/falcon/modeling_falcon.py, FalconLinear).
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import bitsandbytes
import torch
import transformers
from transformers import BitsAndBytesConfig, FalconConfig, FalconForCausalLM

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

FALCON = FalconConfig(
    vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_hidden_size=32
)


def quantized(folder: str) -> str:
    FalconForCausalLM(FALCON).save_pretrained(folder)
    model = FalconForCausalLM.from_pretrained(
        folder, quantization_config=BitsAndBytesConfig(load_in_4bit=True), device_map="cpu"
    )
    linear = [m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)]
    packed = [m for m in linear if isinstance(m, bitsandbytes.nn.Linear4bit)]
    return f"{len(packed)} of {len(linear)} linear layers in 4 bits"


print(
    f"transformers {transformers.__version__}, bitsandbytes {bitsandbytes.__version__}, "
    f"torch {torch.__version__}"
)
print("FalconForCausalLM, load_in_4bit")
with tempfile.TemporaryDirectory() as checkpoint:
    got = quantized(checkpoint)
expected = "4 of 5 linear layers in 4 bits"  # all but the head
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
