"""A checkpoint of X-LoRA holds everything but what was trained.

Documented: save_pretrained writes the adapter's weights, "only the PEFT parameters, not the
parameters of the base model" (get_peft_model_state_dict,
https://huggingface.co/docs/peft/package_reference/save_and_load).

Instead: the classifier, X-LoRA's one trained part, is in no file, and the folders of the experts
hold weights of the base; loaded again, the classifier has random weights.

Why: X-LoRA calls its experts "0", "1", .... To save one adapter,
peft/utils/save_and_load.py, _filter_state_dict_for_adapter_name drops every name that has another
adapter's name between two dots: with ".0." go layer 0 and internal_xlora_classifier.layers.0. And
for an expert, _get_tuner_state_dict_key_prefixes (peft/tuners/tuners_utils.py) takes all below
XLoraModel's attribute lora_model, the base too, for the tuner's own.
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
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
)


def xlora(folder: str, seed: int) -> peft.PeftModel:
    """X-LoRA over two experts that are saved in ``folder``; ``seed`` draws its classifier."""
    torch.manual_seed(0)
    lora = peft.LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    expert = peft.get_peft_model(LlamaForCausalLM(LLAMA), lora)
    torch.manual_seed(0)
    base = LlamaForCausalLM(LLAMA)
    base.config.use_cache = False
    adapters = {name: f"{folder}/expert-{name}" for name in ("0", "1")}
    for path in adapters.values():
        expert.save_pretrained(path)
    torch.manual_seed(seed)
    config = peft.XLoraConfig(task_type="CAUSAL_LM", hidden_size=16, adapters=adapters)
    return peft.get_peft_model(base, config)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
with tempfile.TemporaryDirectory() as output_dir:
    model = xlora(output_dir, seed=1)
    held = {
        name: peft.get_peft_model_state_dict(model, adapter_name=name) for name in ("default", "0")
    }
trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
base = [name for name in held["0"] if "lora_A" not in name and "lora_B" not in name]
print(f"trained: {', '.join(trained)}")
got = {"trained tensors saved": len(held["default"]), "base tensors saved": len(base)}
expected = {"trained tensors saved": len(trained), "base tensors saved": 0}
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
