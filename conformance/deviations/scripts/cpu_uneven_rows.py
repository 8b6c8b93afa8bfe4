"""On a CPU, 4-bit weights whose rows are not whole blocks are dequantized with wrong scales.

Documented: quantize_4bit works on blocks of 64 values of the flattened tensor, and dequantize_4bit
undoes it up to the rounding to 16 codes
(https://huggingface.co/docs/bitsandbytes/main/en/reference/functional).

Instead, on a processor with AVX512: for a row length that is a multiple of 16 and not of the block
size, values are off by more than they are large.

Why: csrc/cpu_ops.cpp, dequantizeBlockwise4bitCpu, in its AVX512 branch, counts the scales of a row
as its length divided by the block size, rounded down, as if every row began a block of its own; the
scalar branch below it counts through the flattened tensor, as quantize_4bit does.
"""

import sys
import warnings

import bitsandbytes
import torch
import transformers
from bitsandbytes.functional import dequantize_4bit, quantize_4bit

warnings.simplefilter("ignore")
BLOCK = 64


def by_hand(packed: torch.Tensor, state: object) -> torch.Tensor:
    """The code book's entries, two a byte, times the scale of their block."""
    pairs = packed.reshape(-1).int()
    codes = torch.stack([pairs >> 4, pairs & 15], dim=1).reshape(-1)
    scales = state.absmax.repeat_interleave(BLOCK)[: len(codes)]
    return (state.code[codes] * scales).reshape(state.shape)


torch.manual_seed(0)
weight = torch.randn(48, 80)
packed, state = quantize_4bit(weight, quant_type="nf4")
library = (dequantize_4bit(packed, state) - weight).abs().max().item()
hand = (by_hand(packed, state) - weight).abs().max().item()

print(
    f"transformers {transformers.__version__}, bitsandbytes {bitsandbytes.__version__}, "
    f"torch {torch.__version__}"
)
print("quantize_4bit of a normal 48 x 80 matrix, dequantize_4bit, the largest error")
if library <= hand and torch.backends.cpu.get_cpu_capability() != "AVX512":
    print("not here: this processor has no AVX512")
print(f"got:      {library:.3f}\nexpected: {hand:.3f}, as by hand")
sys.exit(library > hand)
