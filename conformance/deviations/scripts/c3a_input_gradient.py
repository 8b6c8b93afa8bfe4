"""C3A's own backward pass gives its inputs wrong gradients: every layer below trains by them.

Documented: C3A is trained by gradient descent like any adapter
(https://huggingface.co/docs/peft/package_reference/c3a).

Instead: the gradient that it hands to what lies below is that of another function than it computes.

Why: peft/tuners/c3a/utils.py, backward of BlockCircularConvolution multiplies the transformed
gradient of the outputs by ifft(w) and transforms by fft, as for the kernel; for the inputs the
kernel has to be turned around. The kernel's own gradient is right, so that a single layer shows
nothing.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers

warnings.simplefilter("ignore")


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.layer(values)


torch.manual_seed(0)
config = peft.C3AConfig(target_modules=["layer"], block_size=4, init_weights="gaussian")
model = peft.get_peft_model(Layer(), config)
layer = model.base_model.model.layer
values = torch.randn(3, 8, requires_grad=True)
weight = layer.base_layer.weight + layer.get_delta_weight("default")
(expected,) = torch.autograd.grad(torch.nn.functional.linear(values, weight).square().sum(), values)
bare = model(values) - layer.base_layer.bias
(got,) = torch.autograd.grad(bare.square().sum(), values)
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("a layer of 8 x 8: the gradient of its inputs, against that of its merged weight")
off = round(((got - expected).norm() / expected.norm()).item(), 4)
print(f"got:      off by {off} of its norm\nexpected: at most 0.0001, which rounding explains")
sys.exit(off > 1e-4)
