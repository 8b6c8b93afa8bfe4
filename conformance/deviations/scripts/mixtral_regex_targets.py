"""On Mixtral a regular expression in target_modules puts adapters on layers it does not match.

Documented: LoraConfig.target_modules, "if a string is passed, a regex match will be performed"
(https://huggingface.co/docs/peft/package_reference/lora).

Instead: an expression for layer 0 gives adapters in every layer, and the config (and what is saved
of it) holds bare module names in place of the expression.

Why: with Transformers 5 peft/utils/transformers_weight_conversion.py, _convert_peft_config_moe
replaces a string by what _resolve_string_target_modules returns, the last components of the names
that it matched (`key.rsplit(".", 1)[-1]`), and those match in every layer.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import MixtralConfig, MixtralForCausalLM

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

MIXTRAL = MixtralConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
    num_local_experts=2,
)
REGEX = r".*\.layers\.0\..*\.(q_proj|v_proj)"

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print(f"get_peft_model(MixtralForCausalLM(...), LoraConfig(target_modules={REGEX!r}))")
lora = peft.LoraConfig(target_modules=REGEX)
model = peft.get_peft_model(MixtralForCausalLM(MIXTRAL), lora)
names = [name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name]
kept = model.peft_config["default"].target_modules
got = {
    "adapters": sorted(name.removeprefix("base_model.model.model.") for name in names),
    "target_modules": kept if isinstance(kept, str) else sorted(kept),
}
expected = {
    "adapters": ["layers.0.self_attn.q_proj", "layers.0.self_attn.v_proj"],
    "target_modules": REGEX,
}
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
