"""A flipped bit in a checkpoint, or one in another precision, is loaded without a word.

Documented: Trainer.train(resume_from_checkpoint=…), "training will resume from the
model/optimizer/scheduler states loaded here"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the adapter, or the state, that is loaded is not what was saved.

Why: a safetensors file and trainer_state.json hold no checksum, and Trainer._load_from_checkpoint
(transformers/trainer.py) compares nothing with what was saved; PEFT and torch's optimizers cast
what they load.
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
from safetensors.torch import load_file, save_file
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
    path = checkpoint / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def rounded_to_bfloat16(checkpoint: Path) -> None:
    path = checkpoint / "adapter_model.safetensors"
    held = {name: tensor.bfloat16() for name, tensor in load_file(path).items()}
    save_file(held, path, metadata={"format": "pt"})


def moments_rounded_to_bfloat16(checkpoint: Path) -> None:
    path = checkpoint / "optimizer.pt"
    held = torch.load(path, weights_only=True)
    for moments in held["state"].values():
        moments["exp_avg"] = moments["exp_avg"].bfloat16()
        moments["exp_avg_sq"] = moments["exp_avg_sq"].bfloat16()
    torch.save(held, path)


DAMAGES = (one_bit_flipped, rounded_to_bfloat16, moments_rounded_to_bfloat16)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("4 steps; again from a checkpoint of which a file was changed: the adapter at the end")
with tempfile.TemporaryDirectory() as folder:
    whole = train(folder)
    got = {}
    for step, damage in enumerate(DAMAGES, 1):
        checkpoint = Path(folder) / f"checkpoint-{step}"
        damage(checkpoint)
        got[damage.__name__] = resume(str(checkpoint), whole)
for name, what in got.items():
    print(f"{name}: {what}")
wrong = [name for name, what in got.items() if what.startswith("another")]
print(f"got:      {len(wrong)} of {len(got)} unnoticed\nexpected: an error, or the same adapter")
sys.exit(bool(wrong))
