"""enable_adapters leaves modules_to_save disabled after disable_adapters.

Documented: disable_adapters "Disable all adapters that are attached to the model", enable_adapters
"Enable adapters that are attached to the model"
(https://huggingface.co/docs/transformers/main_classes/peft).

Instead: after disabling and enabling, the model goes on with the base's own head; the trained copy
is neither used nor trainable.

Why: transformers/integrations/peft.py, PeftAdapterMixin.disable_adapters visits BaseTunerLayer and
ModulesToSaveWrapper, enable_adapters only BaseTunerLayer.
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

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
torch.manual_seed(0)
model = LlamaForCausalLM(LLAMA)
model.add_adapter(peft.LoraConfig(target_modules=["q_proj"], modules_to_save=["lm_head"]))
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if "modules_to_save.default" in name:
            parameter.normal_()
model.eval()
tokens = torch.tensor([[3, 4, 5]])
with torch.no_grad():
    before = model(tokens).logits
    model.disable_adapters()
    model.enable_adapters()
    after = model(tokens).logits
print("add_adapter with modules_to_save=['lm_head'], disable_adapters(), enable_adapters(), logits")
got = float((after - before).abs().max())
print(f"got:      logits differ by {got:.3g}\nexpected: logits differ by 0")
sys.exit(got != 0)
