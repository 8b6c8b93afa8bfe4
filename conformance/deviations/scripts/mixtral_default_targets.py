"""target_modules=None finds no module in Mixtral.

Documented: LoraConfig.target_modules, "if this is not specified, modules will be chosen according
to the model architecture" (https://huggingface.co/docs/peft/package_reference/lora); peft lists
q_proj and v_proj for mixtral (peft/utils/constants.py,
TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING).

Instead: NoMatchingPeftModuleError, "No `target_modules` passed".

Why: with Transformers 5 peft/utils/transformers_weight_conversion.py, _convert_peft_config_moe
turns the None into an empty set, `set(peft_config.target_modules or [])`, before
peft/tuners/lora/model.py, LoraModel._prepare_adapter_config, which fills in the defaults `if
peft_config.target_modules is None`.
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


def targets() -> str:
    try:
        model = peft.get_peft_model(MixtralForCausalLM(MIXTRAL), peft.LoraConfig())
    except ValueError as error:
        return f"{type(error).__name__}: {error}"
    names = {name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name}
    return f"adapters on {sorted({name.rpartition('.')[2] for name in names})}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("get_peft_model(MixtralForCausalLM(...), LoraConfig())")
got = targets()
expected = "adapters on ['q_proj', 'v_proj']"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
