"""Merging LoRA into a quantized base adds a trained bias at another scale than it acts at.

Documented: merge_adapter "merges the adapter layers into the base model", which then gives what it
gave (https://huggingface.co/docs/peft/developer_guides/lora#merge-lora-weights-into-the-base-model);
with lora_bias that is base + lora_alpha / r x (B A x + bias).

Instead: the base's bias grows by the adapter's bias without the factor.

Why: peft/tuners/lora/bnb.py, merge of Linear8bitLt and Linear4bit add lora_B.bias alone; unmerge
takes it off alike, so that merging and unmerging hides it. peft/tuners/lora/layer.py has scaled it
since https://github.com/huggingface/peft/pull/2489.
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


class Packed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = bitsandbytes.nn.Linear4bit(64, 64, quant_type="nf4")
        self.is_loaded_in_4bit = True

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.layer(values)


torch.manual_seed(0)
config = peft.LoraConfig(r=4, lora_alpha=12, target_modules=["layer"], lora_bias=True)
model = peft.get_peft_model(Packed().to("cpu"), config)
layer = model.base_model.model.layer
with torch.no_grad():
    layer.base_layer.bias.zero_()
    layer.lora_B["default"].bias.fill_(0.1)
model.merge_adapter()
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, "
    f"bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}"
)
print("the base's bias, which was 0, after merging a bias of 0.1 with lora_alpha=12 and r=4")
got = round(layer.base_layer.bias[0].item(), 4)
print(f"got:      {got}\nexpected: 0.3")
sys.exit(got != 0.3)
