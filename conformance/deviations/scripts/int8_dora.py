"""DoRA over an int8 base fails in the second forward pass on a CPU.

Documented: DoRA "should work with weights quantized with bitsandbytes (QDoRA)"
(https://huggingface.co/docs/peft/developer_guides/lora).

Instead: AttributeError, 'NoneType' object has no attribute 'unsqueeze'.

Why: peft/utils/integrations.py, dequantize_module_weight, which DoRA calls in every forward pass,
replaces module.weight by module.weight.to("cpu") on a CPU. By then Linear8bitLt has moved the
scales from the weight to its state; Int8Params.to gives the new weight codes (CB) and no scales
(SCB), and the next forward pass takes both over, the missing scales included.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import bitsandbytes
import peft
import torch
import transformers
from transformers import BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)


def two_passes(folder: str) -> str:
    LlamaForCausalLM(LLAMA).save_pretrained(folder)
    base = LlamaForCausalLM.from_pretrained(
        folder, quantization_config=BitsAndBytesConfig(load_in_8bit=True), device_map="cpu"
    )
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], use_dora=True)
    model = peft.get_peft_model(base, config).train()
    rows = torch.arange(3, 11).reshape(1, 8)
    passed = 0
    try:
        while passed < 2:
            model(input_ids=rows, labels=rows).loss.backward()
            passed += 1
    except AttributeError as error:
        return f"AttributeError after {passed} pass: {error}"
    return "two forward and backward passes"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, "
    f"bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}"
)
print("load_in_8bit, LoraConfig(use_dora=True), two forward and backward passes")
with tempfile.TemporaryDirectory() as checkpoint:
    got = two_passes(checkpoint)
expected = "two forward and backward passes"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
