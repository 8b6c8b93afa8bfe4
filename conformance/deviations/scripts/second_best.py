"""load_best_model_at_end puts the weights of another adapter into the one that was trained.

Documented: load_best_model_at_end, "whether or not to load the best model found during training at
the end of training" (https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: where a second adapter is trained beside one called "default", it ends with the weights of
that one, which was not trained.

Why: PeftModel.save_pretrained writes "default" to the checkpoint's top and another adapter to a
folder of its name. transformers/trainer.py, Trainer._load_best_model looks for adapter files at the
top only, and loads what it finds there into the active adapter, whosever it is.
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


def train(folder: str) -> dict[str, bool]:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    model.add_adapter("second", config)
    model.set_adapter("second")
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
    in_memory = peft.get_peft_model_state_dict(model, adapter_name="second")
    best = trainer.state.best_model_checkpoint
    held = {"second": f"{best}/second", "default": best}
    return {
        f"is {name!r} of the best checkpoint": all(
            torch.equal(in_memory[key], tensor)
            for key, tensor in peft.load_peft_weights(where).items()
        )
        for name, where in held.items()
    }


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("a second adapter trained with load_best_model_at_end=True: what it is in the end")
with tempfile.TemporaryDirectory() as output_dir:
    got = train(output_dir)
expected = dict(zip(got, (True, False), strict=True))
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
