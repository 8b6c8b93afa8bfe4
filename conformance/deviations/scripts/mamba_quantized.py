"""Mamba, quantized with the default config, cannot be called.

Documented: quantizing with a BitsAndBytesConfig is for any model that contains torch.nn.Linear
layers (https://huggingface.co/docs/transformers/quantization/bitsandbytes).

Instead: RuntimeError in the first forward pass, of shapes in 4 bits and of dtypes in 8.

Why: transformers/models/mamba/modeling_mamba.py, MambaMixer, multiplies with
`self.dt_proj.weight` itself and does not call the layer, whose weight is packed. Nothing spares the
layer, unless the user names it in llm_int8_skip_modules.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import bitsandbytes
import torch
import transformers
from transformers import BitsAndBytesConfig, MambaConfig, MambaForCausalLM

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

MAMBA = MambaConfig(
    vocab_size=64, hidden_size=16, state_size=4, num_hidden_layers=1, time_step_rank=2
)


def call(folder: str, **arguments: object) -> str:
    MambaForCausalLM(MAMBA).save_pretrained(folder)
    model = MambaForCausalLM.from_pretrained(
        folder, quantization_config=BitsAndBytesConfig(**arguments), device_map="cpu"
    )
    try:
        model(input_ids=torch.tensor([[1, 2, 3]]))
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    return "logits"


print(
    f"transformers {transformers.__version__}, bitsandbytes {bitsandbytes.__version__}, "
    f"torch {torch.__version__}"
)
print("MambaForCausalLM, load_in_4bit and load_in_8bit; in 4 bits with dt_proj and lm_head spared")
with tempfile.TemporaryDirectory() as checkpoint:
    got = [call(checkpoint, load_in_4bit=True), call(checkpoint, load_in_8bit=True)]
    spared = call(checkpoint, load_in_4bit=True, llm_int8_skip_modules=["dt_proj", "lm_head"])
expected = ["logits", "logits"]
print(f"got:      {got}, spared: {spared}\nexpected: {expected}")
sys.exit(got != expected)
