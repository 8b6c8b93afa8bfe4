"""`load_adapter` on a Transformers model drops the magnitude vectors of a DoRA adapter.

Documented: load_adapter, "load adapter weights from file or remote Hub folder"
(https://huggingface.co/docs/transformers/main_classes/peft); what save_pretrained wrote loads
back.

Instead: lora_A and lora_B are loaded, lora_magnitude_vector keeps the base weight's own norms.

Why: files name the vector "...lora_magnitude_vector", the model "...lora_magnitude_vector.default
.weight". peft appends ".weight" when it loads (LoraModel._remap_adapter_state_dict_for_load), but
transformers/integrations/peft.py, PeftAdapterMixin.load_adapter goes through its own renaming with
peft/utils/transformers_weight_conversion.py, build_peft_weight_mapping, which inserts the
adapter's name alone. The key then matches no parameter.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

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


def base() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LLAMA)


def magnitudes(model: LlamaForCausalLM) -> torch.Tensor:
    named = [p for name, p in model.named_parameters() if "lora_magnitude_vector" in name]
    return torch.cat([parameter.detach().flatten() for parameter in named])


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print(
    "add_adapter(use_dora=True), double the magnitudes, save_pretrained, load_adapter on the base"
)
saved = base()
saved.add_adapter(peft.LoraConfig(target_modules=["q_proj"], use_dora=True))
with torch.no_grad():
    for parameter_name, parameter in saved.named_parameters():
        if "lora_magnitude_vector" in parameter_name:
            parameter.mul_(2)
loaded = base()
with tempfile.TemporaryDirectory() as folder:
    saved.save_pretrained(folder)
    loaded.load_adapter(folder)
got = [round(value, 4) for value in magnitudes(loaded)[:4].tolist()]
expected = [round(value, 4) for value in magnitudes(saved)[:4].tolist()]
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
