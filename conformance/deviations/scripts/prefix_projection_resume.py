"""Prefix tuning with a projection cannot be resumed.

Documented: Trainer.train(resume_from_checkpoint=...), "training will resume from the
model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer);
PrefixTuningConfig.prefix_projection (https://huggingface.co/docs/peft/package_reference/prefix_tuning).

Instead: RuntimeError, "size mismatch for weight".

Why: peft/utils/save_and_load.py, get_peft_model_state_dict stores the projected prefix
(PeftModel.get_prompt_embedding_to_save), which is enough for inference, and not the embedding and
the projection that are trained; loading it for training puts it into the embedding, which has
another shape.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

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
CONFIG = peft.PrefixTuningConfig(
    task_type="CAUSAL_LM", num_virtual_tokens=4, prefix_projection=True, encoder_hidden_size=8
)


def trainer(folder: str, seed: int, steps: int) -> Trainer:
    """Fresh objects; ``seed`` draws the prompt's first weights, never the base's."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(LLAMA)
    torch.manual_seed(seed)
    model = peft.get_peft_model(base, CONFIG)
    arguments = TrainingArguments(
        folder, max_steps=steps, save_strategy="steps", save_steps=2, use_cpu=True, report_to=[]
    )
    rows = torch.randint(3, 64, (8, 8), generator=torch.Generator().manual_seed(0))
    return Trainer(model, arguments, train_dataset=[{"input_ids": r, "labels": r} for r in rows])


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
with tempfile.TemporaryDirectory() as output_dir:
    trainer(output_dir, seed=1, steps=2).train()
    try:
        trainer(output_dir, seed=2, steps=3).train(
            resume_from_checkpoint=f"{output_dir}/checkpoint-2"
        )
        got = "resumed"
    except RuntimeError as error:
        got = f"RuntimeError: {' '.join(str(error).split())[:80]}"
expected = "resumed"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
