"""X-LoRA cannot be trained under gradient checkpointing.

Documented: TrainingArguments.gradient_checkpointing trades compute for memory
(https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments).

Instead: torch's CheckpointError in the backward pass.

Why: peft/tuners/xlora/model.py scales its experts by hooks that live as long as the forward pass; a
block that is computed again in the backward pass saves other tensors.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from torch.utils.checkpoint import CheckpointError
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

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
rows = [{"input_ids": torch.arange(8) + n, "labels": torch.arange(8) + n} for n in range(4)]


def trained(folder: str, reentrant: bool) -> str:
    """What came of one step."""
    torch.manual_seed(0)
    lora = peft.LoraConfig(
        task_type="CAUSAL_LM", target_modules=["q_proj"], init_lora_weights=False
    )
    peft.get_peft_model(LlamaForCausalLM(LLAMA), lora).save_pretrained(f"{folder}/expert")
    config = peft.XLoraConfig(
        task_type="CAUSAL_LM", hidden_size=LLAMA.hidden_size, adapters={"0": f"{folder}/expert"}
    )
    base = LlamaForCausalLM(LLAMA)
    base.config.use_cache = False
    model = peft.get_peft_model(base, config)
    classifier = [p for name, p in model.named_parameters() if "internal_xlora" in name]
    before = [p.detach().clone() for p in classifier]
    args = TrainingArguments(
        folder,
        max_steps=1,
        learning_rate=0.1,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": reentrant},
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    try:
        Trainer(model, args, train_dataset=rows).train()
    except CheckpointError as error:
        return f"CheckpointError: {error}".splitlines()[0]
    moved = any((p != b).any() for p, b in zip(classifier, before, strict=True))
    return "the classifier moved" if moved else "the classifier did not move"


with tempfile.TemporaryDirectory() as folder:
    got = trained(folder, reentrant=False)
print("Trainer(model, TrainingArguments(…, gradient_checkpointing=True)).train()")
print(f"got:      {got}\nexpected: the classifier moved")
sys.exit(got != "the classifier moved")
