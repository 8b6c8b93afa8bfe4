"""After the active adapter is deleted, the other one's copies of whole modules are passed over.

Documented: PeftModel.delete_adapter "Deletes an existing adapter"; another one becomes active
(https://huggingface.co/docs/peft/package_reference/peft_model).

Instead: where the other one trains a copy of lm_head (modules_to_save) and the deleted one did not,
the model answers with the base's lm_head, and the copy is frozen.

Why: peft/utils/other.py, ModulesToSaveWrapper.delete_adapter returns before it activates anything
when it holds no copy for the deleted adapter (https://github.com/huggingface/peft/issues/3716).
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)
PLAIN = {"target_modules": ["q_proj"]}
COPIES = {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig(**COPIES))
copy = model.base_model.model.lm_head.modules_to_save["default"].weight
with torch.no_grad():
    copy.mul_(2)
ids = torch.arange(16).reshape(2, 8)
before = model(input_ids=ids).logits.detach()
model.add_adapter("second", peft.LoraConfig(**PLAIN))
model.set_adapter("second")
model.delete_adapter("second")
after = model(input_ids=ids).logits.detach()
distance = (after - before).abs().max().item()
print("add_adapter('second', …), set_adapter('second'), delete_adapter('second')")
print(
    f"got:      active {model.active_adapter!r}, logits differ by up to {distance:.3g}, "
    f"its copy of lm_head trains: {copy.requires_grad}"
)
print("expected: active 'default', logits differ by up to 0, its copy of lm_head trains: True")
sys.exit(distance > 0 or not copy.requires_grad)
