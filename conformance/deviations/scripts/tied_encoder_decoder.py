"""ensure_weight_tying breaks BART: its embeddings are replaced by linear layers.

Documented: LoraConfig.ensure_weight_tying, "will ensure that the adapters added to the tied layers
are also tied" (https://huggingface.co/docs/peft/package_reference/lora).

Instead: RuntimeError in the forward pass, "mat1 and mat2 shapes cannot be multiplied".

Why: peft/utils/other.py, ModulesToSaveWrapper.update makes a torch.nn.Linear for each module
that is tied to the input embedding. In BART these are not the head alone, but the embeddings of
encoder and decoder as well.
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
transformers.logging.disable_progress_bar()

BART = BartConfig(
    vocab_size=64,
    d_model=16,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=32,
    decoder_ffn_dim=32,
)


def logits() -> str:
    config = peft.LoraConfig(modules_to_save=["embed_tokens"], ensure_weight_tying=True)
    model = peft.get_peft_model(BartForConditionalGeneration(BART), config)
    rows = torch.randint(3, 64, (2, 8))
    try:
        return f"logits {tuple(model(input_ids=rows, decoder_input_ids=rows).logits.shape)}"
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("BART with its embeddings in modules_to_save, tied")
got, expected = logits(), "logits (2, 8, 64)"
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
