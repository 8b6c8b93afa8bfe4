"""OLoRA on layers that keep their weights turned begins at another model, or fails.

Documented: with init_lora_weights="olora" LoRA is "initialized" from a QR decomposition of the
base's weights, which are changed so that the model gives what it gave
(https://huggingface.co/docs/peft/developer_guides/lora#olora).

Instead: GPT-2, whose layers are Conv1D with weights of shape (in, out), fails on the first forward
pass where a layer is not square; where all are, it gives other logits.

Why: peft/tuners/lora/layer.py, LoraLayer.olora_init decomposes base_layer.weight as it lies, where
pissa_init turns it first, by fan_in_fan_out.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import copy

import peft
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()

torch.manual_seed(0)
base = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2)).eval()
probe = torch.arange(8)[None]


def moved(kind: str, target: str) -> str:
    """How far a fresh adapter moves the logits, in shares of them, or the error it ends with."""
    config = peft.LoraConfig(
        r=4, init_lora_weights=kind, target_modules=[target], fan_in_fan_out=True
    )
    model = peft.get_peft_model(copy.deepcopy(base), config).eval()
    with torch.no_grad():
        expected = base(probe).logits
        try:
            got = model(probe).logits
        except RuntimeError as error:
            return type(error).__name__
    return f"{(got - expected).norm() / expected.norm():.0e}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("how far a fresh adapter moves the logits, by its first weights and its layers")
got = {
    (kind, target): moved(kind, target)
    for kind in ("pissa", "olora")
    for target in ("attn.c_attn", "attn.c_proj")
}
for (kind, target), share in got.items():
    print(f"  {kind} on {target}: {share}")
fails = [share for share in got.values() if share == "RuntimeError" or float(share) > 1e-5]
print(f"got:      {len(fails)} that move or fail\nexpected: 0")
sys.exit(bool(fails))
