"""A flipped bit in a saved optimizer is loaded without a word.

Documented: Trainer.train(resume_from_checkpoint=…), "training will resume from the
model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the moments that are loaded are not those that were saved.

Why: torch.load (torch/serialization.py) does not hold a tensor's bytes against the checksum that
the archive keeps of them, and Trainer._load_optimizer_and_scheduler (transformers/trainer.py)
compares nothing with what was saved.
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


def train(folder: str, checkpoint: str | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    config = peft.LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.1)
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), config)
    arguments = TrainingArguments(
        folder,
        max_steps=4,
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
    trainer.train(resume_from_checkpoint=checkpoint)
    return {name: tensor.clone() for name, tensor in model.named_parameters()}


def resume(damaged: str, expected: dict[str, torch.Tensor]) -> str:
    try:
        got = train(f"{damaged}-resumed", damaged)
    except Exception as error:
        return f"refused: {type(error).__name__}"
    same = all(torch.equal(got[name], expected[name]) for name in expected)
    return "the same adapter" if same else "another adapter, and no error"


def one_bit_flipped(checkpoint: Path) -> None:
    path = checkpoint / "optimizer.pt"
    moments = torch.load(path)["state"][1]["exp_avg"]
    data = path.read_bytes()
    place = data.index(moments.numpy().tobytes()) + 3  # where a number's exponent is
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("4 steps; again from a checkpoint whose optimizer.pt has one bit flipped")
with tempfile.TemporaryDirectory() as folder:
    whole = train(folder)
    checkpoint = Path(folder) / "checkpoint-2"
    one_bit_flipped(checkpoint)
    got = resume(str(checkpoint), whole)
print(f"got:      {got}\nexpected: an error, or the same adapter")
sys.exit(got.startswith("another"))
