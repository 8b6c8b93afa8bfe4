"""A DEFT adapter that is merged after another takes its share out of the merged weight.

Documented: merge_adapter merges adapters "into the base model", which then gives what they gave
beside it (https://huggingface.co/docs/peft/package_reference/tuners).

Instead: merged in two calls two adapters give something else than together, or merged in one.

Why: merge in peft/tuners/deft/layer.py computes what a projection takes out of "the original
(unmerged) weight", as its comment says, but takes the weight as it is: after an earlier call that
has the earlier adapter in it. The same of HiRA was mended by
https://github.com/huggingface/peft/pull/3482.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers

warnings.simplefilter("ignore")

NAMES = ["default", "second"]


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(16, 16, bias=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.layer(values)


def merged(*calls: list[str]) -> float:
    """How far off the weight is from what the two give together, in shares of its norm."""
    torch.manual_seed(0)
    config = peft.DeftConfig(r=4, target_modules=["layer"])
    model = peft.get_peft_model(Layer(), config)
    model.add_adapter("second", config)
    model.base_model.set_adapter(NAMES)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
        expected = model(torch.eye(16))
        for names in calls:
            model.merge_adapter(names)
        return round(((model(torch.eye(16)) - expected).norm() / expected.norm()).item(), 4)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("a layer of 16 x 16 with two DEFT adapters, merged, against both active together")
got = {"in one call": merged(NAMES), "in turn": merged(NAMES[:1], NAMES[1:])}
print(f"got:      off by {got}, in shares of the norm")
print("expected: at most 0.0001, which rounding explains")
sys.exit(max(got.values()) > 1e-4)
