"""Resuming a training of a model whose adapter was added with `add_adapter` fails.

Documented: "training will resume from the model/optimizer/scheduler states loaded here" for
Trainer.train(resume_from_checkpoint=...), and training an adapter from `add_adapter` with Trainer
(https://huggingface.co/docs/transformers/main_classes/trainer, .../docs/transformers/peft).

Instead: ValueError, since no index of a sharded base model is in the checkpoint, which holds the
adapter alone.

Why: transformers/trainer.py, Trainer._load_from_checkpoint loads adapters only `if
_is_peft_model(model)`, which asks for the classes PeftModel and PeftMixedModel. A Transformers
model with an adapter of its own is neither, so the call falls through to load_sharded_checkpoint.
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
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)


def trainer(folder: str) -> Trainer:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LLAMA)
    model.add_adapter(peft.LoraConfig(target_modules=["q_proj", "v_proj"]))
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_strategy="steps",
        save_steps=1,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (4, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    built = Trainer(model, arguments, train_dataset=data)
    built.remove_callback(transformers.PrinterCallback)
    return built


def resume(folder: str) -> str:
    trainer(folder).train()
    try:
        output = trainer(folder).train(resume_from_checkpoint=f"{folder}/checkpoint-1")
    except ValueError as error:
        return f"ValueError: {str(error).replace(folder, '...')}"
    return f"trained from checkpoint-1 to step {output.global_step}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("add_adapter, train 2 steps, build anew, train(resume_from_checkpoint='.../checkpoint-1')")
with tempfile.TemporaryDirectory() as output_dir:
    got = resume(output_dir)
expected = "trained from checkpoint-1 to step 2"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
