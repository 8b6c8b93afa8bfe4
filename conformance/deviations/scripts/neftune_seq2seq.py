"""NEFTune's noise does not reach T5.

Documented: neftune_noise_alpha, "if not None, this will activate NEFTune noise embeddings …
Supports transformers PreTrainedModel and also PeftModel from peft"
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: training with it is bit for bit the training without it.

Why: transformers/integrations/neftune.py hooks into get_input_embeddings(), which is T5's module
`shared`. In transformers/models/t5/modeling_t5.py encoder and decoder have an embed_tokens of their
own, tied to its weight, so that `shared` is never called, nor is the hook.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import T5Config, T5ForConditionalGeneration, Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

T5 = T5Config(
    decoder_start_token_id=0,
    vocab_size=64,
    d_model=16,
    d_kv=8,
    d_ff=32,
    num_layers=1,
    num_heads=2,
    dropout_rate=0.0,
)


def train(folder: str, alpha: float | None) -> float:
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(T5)
    model = peft.get_peft_model(model, peft.LoraConfig(target_modules=["q", "v"]))
    arguments = TrainingArguments(
        folder,
        max_steps=2,
        learning_rate=0.01,
        neftune_noise_alpha=alpha,
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
print("T5, 2 steps: the training loss with neftune_noise_alpha=15 and without")
with tempfile.TemporaryDirectory() as output_dir:
    got, without = (train(output_dir, alpha) for alpha in (15.0, None))
print(f"got:      {got}\nexpected: other than {without}")
sys.exit(got == without)
