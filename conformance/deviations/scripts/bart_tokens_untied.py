"""Tokens of BART that trainable_token_indices trains are not trained in the head.

Documented: LoraConfig.trainable_token_indices trains single tokens of an embedding
(https://huggingface.co/docs/peft/package_reference/lora#peft.LoraConfig), and the method's code
says "In case of weight-tying we need to adapt the tied weights as well"
(https://github.com/huggingface/peft/blob/v0.21.2/src/peft/tuners/trainable_tokens/model.py).

Instead: the head, whose weight is the embeddings' own, keeps the rows that it had.

Why: peft/utils/other.py, set_additional_trainable_modules asks what is tied to the model's
get_input_embeddings(). In BART that is the module shared, while encoder and decoder look tokens up
in embed_tokens of their own, which are what the name embed_tokens finds.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import BartConfig, BartForConditionalGeneration

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()

TOKENS = [3, 5]
BART = BartConfig(
    vocab_size=16,
    d_model=8,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=8,
    decoder_ffn_dim=8,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    decoder_start_token_id=1,
)
config = peft.LoraConfig(
    target_modules=["q_proj"], trainable_token_indices={"embed_tokens": TOKENS}
)
model = peft.get_peft_model(BartForConditionalGeneration(BART), config)


def rows() -> torch.Tensor:
    with torch.no_grad():
        return model.get_output_embeddings()(torch.eye(8)).T


before = rows()
with torch.no_grad():
    for name, tensor in model.named_parameters():
        if "trainable_tokens_delta" in name:
            tensor.add_(1.0)
got = (rows() - before).abs().sum(dim=1).nonzero().flatten().tolist()
print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("rows of the head that change with the trained tokens")
print(f"got:      {got}\nexpected: {TOKENS}")
sys.exit(got != TOKENS)
