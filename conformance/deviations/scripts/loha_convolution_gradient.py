"""LoHa on a convolution, decomposed as one, trains two of its six parameters by wrong gradients.

Documented: LoHaConfig.use_effective_conv2d uses "parameter effective decomposition for Conv2d",
which is trained like any adapter (https://huggingface.co/docs/peft/package_reference/loha).

Instead: the gradients of hada_w1_a and hada_w2_a are not those of what the layer computes.

Why: peft/tuners/loha/layer.py, backward of HadaWeightCP, multiplies for grad_w1a by the product of
t2 and w2b, the other factor's, and for grad_w2a by that of t1 and w1b.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers

warnings.simplefilter("ignore")

NAMES = ("hada_t1", "hada_w1_a", "hada_w1_b", "hada_t2", "hada_w2_a", "hada_w2_b")


class Convolution(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 8, 3, bias=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.layer(values)


def rebuilt(core: torch.Tensor, out: torch.Tensor, into: torch.Tensor) -> torch.Tensor:
    return torch.einsum("i j k l, j r, i p -> p r k l", core, into, out)


torch.manual_seed(0)
config = peft.LoHaConfig(
    target_modules=["layer"], r=4, alpha=4, use_effective_conv2d=True, init_weights=False
)
model = peft.get_peft_model(Convolution(), config)
layer = model.base_model.model.layer
parameters = [getattr(layer, name)["default"] for name in NAMES]
values = torch.randn(2, 3, 6, 6)
got = torch.autograd.grad(model(values).square().sum(), parameters)
delta = rebuilt(*parameters[:3]) * rebuilt(*parameters[3:]) * layer.scaling["default"]
weight = layer.base_layer.weight + delta
by_hand = torch.nn.functional.conv2d(values, weight).square().sum()
expected = torch.autograd.grad(by_hand, parameters)
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("a convolution with LoHa: gradients, against those of the same weight written out")
off = {
    name: round(((one - other).norm() / other.norm()).item(), 4)
    for name, one, other in zip(NAMES, got, expected, strict=True)
}
print(f"got:      off by {off} of their norms")
print("expected: at most 0.0001 each, which rounding explains")
sys.exit(max(off.values()) > 1e-4)
