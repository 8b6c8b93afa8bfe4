"""A layer with two active C3A adapters cannot be called.

Documented: several adapters of a PEFT model can be active at once, base_model.set_adapter takes a
list (https://huggingface.co/docs/peft/package_reference/tuners).

Instead: the forward pass raises RuntimeError, or multiplies other numbers than the inputs.

Why: forward in peft/tuners/c3a/layer.py puts what the first adapter gives into x, and hands that to
the second one as its input.
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
        self.layer = torch.nn.Linear(16, 8)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.layer(values)


torch.manual_seed(0)
config = peft.C3AConfig(target_modules=["layer"], block_size=8, init_weights="gaussian")
model = peft.get_peft_model(Layer(), config)
model.add_adapter("second", config)
model.base_model.set_adapter(["default", "second"])
layer = model.base_model.model.layer
values = torch.randn(2, 16)
deltas = [layer.get_delta_weight(name) for name in ("default", "second")]
expected = layer.base_layer(values) + sum(values @ delta.T for delta in deltas)
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("a layer of 16 x 8 with two C3A adapters, both active, called")
try:
    off = (model(values) - expected).abs().max().item()
    got = f"off by {off:.3f}" if off > 1e-4 else "the sum"
except RuntimeError as error:
    got = f"RuntimeError: {error}"
print(f"got:      {got}\nexpected: the sum of what each adds")
sys.exit(got != "the sum")
