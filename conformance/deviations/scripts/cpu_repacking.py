"""Evaluating a 4-bit model on a CPU changes its weights, and ends its training.

Documented: with a quantized base "only the adapter is trained", and evaluation during training
(https://huggingface.co/docs/peft/developer_guides/quantization,
https://huggingface.co/docs/transformers/main_classes/trainer).

Instead, on a processor with AVX512-BF16: after one forward pass in evaluation mode the packed bytes
have another order, scales are rounded to bfloat16, double quantization is undone; and a forward
pass in training mode no longer hands a gradient back.

Why: bitsandbytes/nn/modules.py, Linear4bit.forward calls _convert_weight_packed_for_cpu when the
layer does not train and its input needs no gradient, and nothing converts back when it trains
again; bitsandbytes/autograd/_functions.py, matmul_4bit sends every packed weight to gemv_4bit,
which has no backward pass.
"""

import sys
import warnings

import bitsandbytes
import torch
import transformers
from bitsandbytes.nn import Linear4bit

warnings.simplefilter("ignore")


def gradient(layer: Linear4bit) -> torch.Tensor | None:
    """What a forward and backward pass in training mode hands back to its input."""
    x = torch.linspace(-1, 1, 64).reshape(1, 64).requires_grad_()
    layer.train()(x).sum().backward()
    return x.grad


torch.manual_seed(0)
plain = torch.nn.Linear(64, 32, bias=False)
layer = Linear4bit(64, 32, bias=False, quant_type="nf4", compute_dtype=torch.float32)
layer.load_state_dict(plain.state_dict())
layer.to("cpu")
packed, scales = layer.weight.data.clone(), layer.weight.quant_state.absmax.clone()
before = gradient(layer)
with torch.no_grad():
    layer.eval()(torch.ones(1, 64))
after = gradient(layer)
state = layer.weight.quant_state
kept = torch.equal(layer.weight.data, packed) and torch.equal(state.absmax, scales)
same = after is not None and torch.equal(before, after)

print(
    f"transformers {transformers.__version__}, bitsandbytes {bitsandbytes.__version__}, "
    f"torch {torch.__version__}"
)
print("Linear4bit on the CPU: a gradient, one forward pass in evaluation mode, the gradient again")
if kept and same and not bitsandbytes.functional.has_avx512bf16():
    print("not here: this processor has no AVX512-BF16")
print(f"got:      weight and scales kept: {kept}; the same gradient: {same}")
print("expected: weight and scales kept: True; the same gradient: True")
sys.exit(not (kept and same))
