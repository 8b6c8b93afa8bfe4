"""OSF cannot be added to a GPT-2 with `add_adapter`.

Documented: peft/utils/constants.py, TRANSFORMERS_MODELS_TO_OSF_TARGET_MODULES_MAPPING names c_attn
and c_proj as OSF's default targets for GPT-2
(https://huggingface.co/docs/peft/package_reference/osf).

Instead: ValueError, "Did not succeeded in setting the adapter".

Why: as for get_peft_model, peft/tuners/osf/model.py, _create_and_replace passes over Conv1D in
silence; add_adapter then finds no layer to activate (transformers/integrations/peft.py).
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
print("GPT2LMHeadModel(...).add_adapter(OSFConfig())")
try:
    GPT2LMHeadModel(GPT2).add_adapter(peft.OSFConfig())
    got = "added"
except ValueError as error:
    got = f"ValueError: {error}"
expected = "added"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
