"""Weight decay reaches the last norm of Mamba where norms are trained.

Documented: TrainingArguments.weight_decay, "automatically excluded from bias and LayerNorm
parameters" (https://huggingface.co/docs/transformers/main_classes/trainer); the code means norms of
every kind: "containing 'bias', or variation of 'norm'".

Instead: norm_f, an RMS norm as the others of the model, is in the group that decays.

Why: transformers/trainer.py, Trainer.get_decay_parameter_names tells norms by torch's class
LayerNorm, or by names in which a part is norm or ends in _norm; norm_f is neither.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import MambaConfig, MambaForCausalLM, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

mamba = MambaForCausalLM(MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1))
config = peft.LNTuningConfig(target_modules=["norm", "norm_f"])
model = peft.get_peft_model(mamba, config)
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(folder, weight_decay=0.1, use_cpu=True, report_to=[])
    groups = Trainer(model, arguments).create_optimizer().param_groups
decaying = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("norms of Mamba that decay, with weight_decay=0.1")
got = [name for name, parameter in model.named_parameters() if id(parameter) in decaying]
print(f"got:      {got}\nexpected: []")
sys.exit(got != [])
