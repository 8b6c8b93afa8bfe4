"""Merging a PVeRA or RandLoRA adapter into a 4-bit base leaves layers that cannot be called.

Documented: merge_adapter and merge_and_unload merge into quantized bases, and warn that rounding
may change what is generated (https://huggingface.co/docs/peft/developer_guides/quantization).

Instead: the merged weight is not packed, while its layer takes it for packed.

Why: merge of Linear4bit in peft/tuners/pvera/bnb.py and peft/tuners/randlora/bnb.py makes the new
Params4bit with all attributes of the old one, bnb_quantized=True among them, so that moving it to
its device does not pack it. peft/tuners/lora/bnb.py sets that to False.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import bitsandbytes
import peft
import torch
import transformers

warnings.simplefilter("ignore")

NAMES = ("PveraConfig", "RandLoraConfig")
CONFIGS = [getattr(peft, name) for name in NAMES if hasattr(peft, name)]


class Packed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = bitsandbytes.nn.Linear4bit(64, 64, quant_type="nf4")
        self.is_loaded_in_4bit = True

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.layer(values)


def merged(config: type) -> str:
    torch.manual_seed(0)
    base = Packed().to("cpu")
    model = peft.get_peft_model(base, config(r=4, target_modules=["layer"])).eval()
    shape = tuple(base.layer.base_layer.weight.shape)
    model.merge_adapter()
    try:
        model(torch.ones(2, 64, requires_grad=True))
    except RuntimeError as error:
        return f"{error}"
    after = tuple(base.layer.base_layer.weight.shape)
    return "outputs" if after == shape else f"a weight of shape {after}, not {shape}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, "
    f"bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}"
)
print("an nf4 layer of 64 x 64 after merge_adapter(), called")
got = {config.__name__: merged(config) for config in CONFIGS}
for name, what in got.items():
    print(f"{name}: {what}")
wrong = [name for name, what in got.items() if what != "outputs"]
print(f"got:      {len(wrong)} of {len(got)} broken\nexpected: outputs")
sys.exit(bool(wrong))
