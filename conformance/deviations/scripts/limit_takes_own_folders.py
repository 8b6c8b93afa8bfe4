"""save_total_limit deletes a folder of the user's own.

Documented: save_total_limit "will limit the total amount of checkpoints. Deletes the older
checkpoints in output_dir" (https://huggingface.co/docs/transformers/main_classes/trainer);
a checkpoint is a folder checkpoint-<step>.

Instead: a folder checkpoint-best that someone has put there, an hour before, is deleted with all
that is in it, and without a word.

Why: transformers/trainer.py, Trainer._save_checkpoint rotates with use_mtime=True, and
sort_checkpoints (transformers/trainer_utils.py; before 5.5 in trainer.py) then takes each folder
checkpoint-* for a checkpoint. Only when it goes by numbers it asks for one, as it does when no
folder is more than a second older than another, so that a short trial shows nothing.
"""

import os
import sys
import tempfile
import time
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


def train(folder: str) -> None:
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        save_strategy="steps",
        save_steps=1,
        save_total_limit=1,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder, "checkpoint-best")
        own.mkdir()
        (own / "notes.txt").write_text("kept by hand")
        an_hour_ago = time.time() - 3600
        os.utime(own, (an_hour_ago, an_hour_ago))
        train(folder)
        left = sorted(path.name for path in Path(folder).iterdir() if path.is_dir())
    print(f"transformers {transformers.__version__}, peft {peft.__version__}")
    print(f"got: {left}")
    print("expected: ['checkpoint-2', 'checkpoint-best']")
    return int(own.name not in left)


if __name__ == "__main__":
    sys.exit(main())
