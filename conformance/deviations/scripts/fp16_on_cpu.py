"""fp16=True on a CPU trains in float32 and says nothing.

Documented: fp16, "enable float16 (FP16) mixed precision training"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: losses are bit for bit those without it; there is no error and no warning.

Why: accelerate/accelerator.py, Accelerator.__init__ sets native_amp for fp16 only
`and self.device.type != "cpu"`, and has no branch for fp16 on that device; in
transformers/training_args.py nothing checks it either.
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


def train(folder: str, fp16: bool) -> float:
    torch.manual_seed(0)
    model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig())
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        fp16=fp16,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    rows = torch.randint(3, 64, (8, 8))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer.train().training_loss


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("2 steps on the CPU: the training loss with fp16=True and without")
with tempfile.TemporaryDirectory() as output_dir:
    try:
        got = f"{train(output_dir, fp16=True)}"
    except (RuntimeError, ValueError) as error:
        got = f"{type(error).__name__}: {error}"
    without = f"{train(output_dir, fp16=False)}"
print(f"got:      {got}\nexpected: an error, or other than {without}")
sys.exit(got == without)
