"""Evaluating a 4-bit layer whose number of outputs is not a multiple of 32 fails on a CPU.

Documented: Linear4bit takes any number of outputs, and bitsandbytes supports CPUs
(https://huggingface.co/docs/bitsandbytes/main/en/installation).

Instead, on a processor with AVX512-BF16: AssertionError, N must be divisible by block_n.

Why: bitsandbytes/nn/modules.py, Linear4bit.forward calls _convert_weight_packed_for_cpu for every
layer that does not train; bitsandbytes/functional.py asserts there that whole groups of 32 outputs
can be packed, and nobody asks before.
"""

import sys
import warnings

import bitsandbytes
import torch
import transformers
from bitsandbytes.nn import Linear4bit

warnings.simplefilter("ignore")


def evaluate() -> str:
    layer = Linear4bit(64, 48, bias=False, quant_type="nf4", compute_dtype=torch.float32)
    layer.to("cpu").eval()
    try:
        with torch.no_grad():
            return f"outputs of shape {tuple(layer(torch.ones(1, 64)).shape)}"
    except AssertionError as error:
        return f"AssertionError: {error}"


print(
    f"transformers {transformers.__version__}, bitsandbytes {bitsandbytes.__version__}, "
    f"torch {torch.__version__}"
)
print("Linear4bit(64, 48) on the CPU, a forward pass in evaluation mode")
got, expected = evaluate(), "outputs of shape (1, 48)"
if got == expected and not bitsandbytes.functional.has_avx512bf16():
    print("not here: this processor has no AVX512-BF16")
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
