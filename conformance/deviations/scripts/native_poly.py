"""Poly that was added with `add_adapter` cannot be trained.

Documented: PeftAdapterMixin.add_adapter, "supported adapters are non-prompt learning methods
(LoRA, IA³, etc.)" (https://huggingface.co/docs/transformers/main_classes/peft); Poly takes the task
of each example as `task_ids` (https://huggingface.co/docs/peft/package_reference/poly).

Instead: ValueError, "task_ids should not be None", though they are in the batch.

Why: the layers get `task_ids` from hooks that PolyModel.forward registers
(peft/tuners/poly/model.py). inject_adapter_in_model keeps the layers and drops the PolyModel, so
that nothing hands them on.
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
transformers.logging.disable_progress_bar()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
)


def forward(native: bool) -> str:
    config = peft.PolyConfig(r=2, n_tasks=2, n_skills=2, target_modules=["q_proj"])
    model = LlamaForCausalLM(LLAMA)
    if native:
        model.add_adapter(config)
    else:
        config.task_type = "CAUSAL_LM"
        model = peft.get_peft_model(model, config)
    rows = torch.randint(3, 64, (2, 8))
    try:
        model(input_ids=rows, labels=rows, task_ids=torch.tensor([0, 1])).loss.backward()
    except ValueError as error:
        return f"ValueError: {error}"
    return "a loss and gradients"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print(f"get_peft_model: {forward(native=False)}")
got = forward(native=True)
expected = "a loss and gradients"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
