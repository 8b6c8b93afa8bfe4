"""A 4-bit layer changes the dtype of its bias in its first forward pass.

Documented: with a quantized base "only the adapter is trained", the base is frozen
(https://huggingface.co/docs/peft/developer_guides/quantization); bnb_4bit_compute_dtype is what is
computed in (https://huggingface.co/docs/transformers/main_classes/quantization).

Instead: after one forward pass the float32 bias of the base is a bfloat16 one, rounded.

Why: bitsandbytes/nn/modules.py, Linear4bit.forward assigns bias.data = bias.data.to(x.dtype), where
x has just been cast to the compute dtype; Linear8bitLt.forward does likewise.
"""

import sys
import warnings

import bitsandbytes
import torch
import transformers
from bitsandbytes.nn import Linear4bit

warnings.simplefilter("ignore")

torch.manual_seed(0)
layer = Linear4bit(64, 32, quant_type="nf4", compute_dtype=torch.bfloat16)
layer.load_state_dict(torch.nn.Linear(64, 32).state_dict())
layer.to("cpu")
bias = layer.bias.detach().clone()
layer(torch.ones(1, 64, requires_grad=True))

print(
    f"transformers {transformers.__version__}, bitsandbytes {bitsandbytes.__version__}, "
    f"torch {torch.__version__}"
)
print("Linear4bit with a float32 bias and compute_dtype=torch.bfloat16, one forward pass")
off = (layer.bias.float() - bias).abs().max().item()
got = f"a bias of {layer.bias.dtype}, off by up to {off:.2g}"
expected = "a bias of torch.float32, off by up to 0"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
