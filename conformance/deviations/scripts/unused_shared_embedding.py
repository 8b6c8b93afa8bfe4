"""Training T5's shared embedding by name trains a copy that nothing uses.

Documented: LoraConfig.modules_to_save, "modules apart from adapter layers to be set as trainable
and saved in the final checkpoint" (https://huggingface.co/docs/peft/package_reference/lora); T5's
get_input_embeddings() names `shared` as the embedding.

Instead: the copy of `shared` gets no gradient, and training leaves it as it was.

Why: transformers/models/t5/modeling_t5.py, since Transformers 5 the encoder and decoder embed with
modules of their own (T5Stack.embed_tokens), tied to shared.weight but not the module itself; peft
wraps the module `shared`, which takes no part in the forward pass.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import T5Config, T5ForConditionalGeneration

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

T5 = T5Config(
    vocab_size=64,
    d_model=16,
    d_kv=8,
    d_ff=32,
    num_layers=1,
    num_heads=2,
    decoder_start_token_id=0,
    pad_token_id=0,
)


def has_gradient() -> bool:
    config = peft.LoraConfig(
        target_modules=["q", "v"], modules_to_save=["shared"], ensure_weight_tying=True
    )
    model = peft.get_peft_model(T5ForConditionalGeneration(T5), config)
    rows = torch.randint(3, 64, (2, 8))
    model(input_ids=rows, labels=rows).loss.backward()
    return model.get_input_embeddings().weight.grad is not None


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print('does the copy of modules_to_save=["shared"] get a gradient?')
got, expected = has_gradient(), True
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
