"""DeBERTa-v2 over a base in 4 bits fails in mixed precision.

Documented: a quantized model with an adapter is trained with TrainingArguments(bf16=True)
(https://huggingface.co/docs/transformers/quantization/bitsandbytes and
https://huggingface.co/docs/peft/developer_guides/quantization), that is under autocast.

Instead: RuntimeError, value cannot be converted to type c10::BFloat16 without overflow.

Why: transformers/models/deberta_v2/modeling_deberta_v2.py, DisentangledSelfAttention.forward, masks
attention scores with `torch.finfo(query_layer.dtype).min`. Under autocast the scores are bfloat16,
but a Linear4bit (or Linear8bitLt) hands its output back in the dtype of its input, float32 after a
norm, and the smallest float32 is none in bfloat16.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import bitsandbytes
import torch
import transformers
from transformers import BitsAndBytesConfig, DebertaV2Config, DebertaV2ForSequenceClassification

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

DEBERTA = DebertaV2Config(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    max_position_embeddings=32,
)


def call(folder: str, **arguments: object) -> str:
    model = DebertaV2ForSequenceClassification.from_pretrained(folder, **arguments)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model(input_ids=torch.tensor([[1, 2, 3]]))
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    return "logits"


print(
    f"transformers {transformers.__version__}, bitsandbytes {bitsandbytes.__version__}, "
    f"torch {torch.__version__}"
)
print("DebertaV2ForSequenceClassification under autocast to bfloat16")
with tempfile.TemporaryDirectory() as checkpoint:
    DebertaV2ForSequenceClassification(DEBERTA).save_pretrained(checkpoint)
    plain = call(checkpoint)
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=["classifier"],
    )
    got = call(checkpoint, quantization_config=config, device_map="cpu")
expected = "logits"
print(f"plain:    {plain}\ngot:      {got}\nexpected: {expected}")
sys.exit(got != expected)
