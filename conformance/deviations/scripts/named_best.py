"""load_best_model_at_end does not load the best checkpoint of an adapter not called "default".

Documented: load_best_model_at_end, "whether or not to load the best model found during training at
the end of training" (https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: a warning that the best model could not be located, and the last adapter stays in memory.

Why: PeftModel.save_pretrained writes an adapter of another name to a folder of its name, here
checkpoint-1/chosen. transformers/trainer.py, Trainer._load_best_model looks for adapter files at
the checkpoint's top only; Trainer._load_from_checkpoint does look into such folders.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

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


def train(folder: str) -> dict[str, bool]:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config, adapter_name="chosen")
    arguments = TrainingArguments(
        folder,
        max_steps=3,
        learning_rate=0.01,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        greater_is_better=True,  # the loss falls, so this makes the first checkpoint the best
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data, eval_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    print(f"best_model_checkpoint: {Path(trainer.state.best_model_checkpoint).name}")
    in_memory = peft.get_peft_model_state_dict(model, adapter_name="chosen")
    return {
        f"is checkpoint-{step}'s": all(
            torch.equal(in_memory[name], tensor)
            for name, tensor in peft.load_peft_weights(f"{folder}/checkpoint-{step}/chosen").items()
        )
        for step in (1, 3)
    }


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("get_peft_model(..., adapter_name='chosen'), train with load_best_model_at_end=True")
with tempfile.TemporaryDirectory() as output_dir:
    got = train(output_dir)
expected = {"is checkpoint-1's": True, "is checkpoint-3's": False}
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
