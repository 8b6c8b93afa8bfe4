"""OSF takes a GPT-2 and wraps nothing.

Documented: peft/utils/constants.py, TRANSFORMERS_MODELS_TO_OSF_TARGET_MODULES_MAPPING names c_attn
and c_proj as OSF's default targets for GPT-2
(https://huggingface.co/docs/peft/package_reference/osf).

Instead: get_peft_model returns a model without a trainable parameter, and training fails in the
first backward pass.

Why: peft/tuners/osf/layer.py, dispatch_default makes layers of torch.nn.Linear alone, and
peft/tuners/osf/model.py, _create_and_replace passes over what it gets nothing for, such as
GPT-2's Conv1D, where other methods raise a TypeError.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

GPT2 = GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=64)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
config = peft.OSFConfig(task_type="CAUSAL_LM")
model = peft.get_peft_model(GPT2LMHeadModel(GPT2), config)
trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
print(f"get_peft_model(GPT2LMHeadModel(...), OSFConfig()), targets {sorted(config.target_modules)}")
print(f"got:      {len(trainable)} trainable parameters\nexpected: some, or a refusal")
sys.exit(not trainable)
