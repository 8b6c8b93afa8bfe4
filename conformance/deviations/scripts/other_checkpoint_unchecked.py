"""A checkpoint of another base model or another adapter configuration is resumed from silently.

Documented: Trainer.train(resume_from_checkpoint=…), "local path to a saved checkpoint as saved by a
previous instance of Trainer"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: where names and shapes agree, the training goes on from the other training's adapter and
moments, with neither an error nor a warning, though adapter_config.json beside them says that they
belong to another base model and are scaled otherwise.

Why: Trainer._load_from_checkpoint (transformers/trainer.py) calls PeftModel.load_adapter under the
name of an adapter that is there already: load_adapter (peft/peft_model.py) then reads no config.
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


def train(folder: Path, checkpoint: Path | None = None, width: int = 32, **lora: object) -> str:
    torch.manual_seed(0)
    llama = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=width,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        name_or_path=f"llama-{width}",
    )
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], **lora)
    model = peft.get_peft_model(LlamaForCausalLM(llama), config)
    arguments = TrainingArguments(
        str(folder),
        max_steps=3,
        save_strategy="steps",
        save_steps=1,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (4, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    try:
        trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"trained to step {trainer.state.global_step}"


OTHERS = {"a base twice as wide": {"width": 64}, "use_rslora=True": {"use_rslora": True}}

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("3 steps; resumed from the checkpoint at step 2 of a training with something else")
silent = 0
with tempfile.TemporaryDirectory() as output_dir:
    for number, (what, other) in enumerate(OTHERS.items()):
        folder = Path(output_dir) / str(number)
        train(folder / "other", **other)
        said = train(folder / "own", folder / "other" / "checkpoint-2")
        print(f"{what}: {said}")
        silent += said.startswith("trained")
print(f"got:      {silent} of {len(OTHERS)} resumed without an error\nexpected: an error for each")
sys.exit(bool(silent))
