"""Training with a tokenizer wipes the special tokens that it lacks from the model's configs.

Documented: the Trainer's warning, "The model config and generation config were aligned accordingly,
being updated with the tokenizer's values"
(https://github.com/huggingface/transformers/blob/v5.17.0/src/transformers/trainer_utils.py).

Instead: a tokenizer that knows of no end of sequence takes the model's away, whose generation then
goes on without end.

Why: align_special_tokens compares the tokenizer's ids with the config's, and copies None as well.
Mended in transformers 5.18.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
    bos_token_id=1,
    eos_token_id=2,
)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
model = peft.get_peft_model(LlamaForCausalLM(LLAMA), peft.LoraConfig(target_modules=["q_proj"]))
ZERO = "0"
words = Tokenizer(models.WordLevel({str(n): n for n in range(64)}, unk_token=ZERO))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token=ZERO)
rows = [{"input_ids": torch.arange(8), "labels": torch.arange(8)} for _ in range(4)]
with tempfile.TemporaryDirectory() as folder:
    args = transformers.TrainingArguments(
        folder, max_steps=1, use_cpu=True, report_to=[], disable_tqdm=True
    )
    transformers.Trainer(model, args, train_dataset=rows, processing_class=tokenizer).train()
got = (model.config.bos_token_id, model.config.eos_token_id)
print(
    "Trainer(…, processing_class=<a tokenizer that pads and knows no other special token>).train()"
)
print(f"got:      bos_token_id, eos_token_id = {got}\nexpected: (1, 2)")
sys.exit(got != (1, 2))
