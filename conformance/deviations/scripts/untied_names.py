"""ensure_weight_tying ties nothing on BERT, GPT-2, BLOOM, Falcon and Mamba.

Documented: LoraConfig.ensure_weight_tying, "will ensure that the adapters added to the tied layers
are also tied. This is only applicable for layers passed via `modules_to_save` and
`target_modules`" (https://huggingface.co/docs/peft/package_reference/lora).

Instead: the embedding's trained copy serves as embedding alone, and the head keeps the old weight.

Why: peft/tuners/tuners_utils.py, BaseTuner._check_tied_modules looks for an embedding in
modules_to_save by EMBEDDING_LAYER_NAMES (peft/utils/constants.py), which are "embed_tokens" and
"lm_head"; these models call it wte, word_embeddings or embeddings.
"""

import os
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import BertConfig, BloomConfig, FalconConfig, GPT2Config, MambaConfig

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

CASES = {
    "wte": transformers.GPT2LMHeadModel(
        GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, tie_word_embeddings=True)
    ),
    "word_embeddings": transformers.BloomForCausalLM(
        BloomConfig(vocab_size=64, hidden_size=16, n_layer=1, n_head=2)
    ),
    "transformer.word_embeddings": transformers.FalconForCausalLM(
        FalconConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    ),
    "embeddings.word_embeddings": transformers.BertForMaskedLM(
        BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    ),
    "embeddings": transformers.MambaForCausalLM(
        MambaConfig(vocab_size=64, hidden_size=16, state_size=4, num_hidden_layers=1)
    ),
}
TARGETS = {"GPT2LMHeadModel": ["c_attn"], "MambaForCausalLM": ["in_proj"]}
TARGETS["BertForMaskedLM"] = ["query"]


def shared(name: str, base: transformers.PreTrainedModel) -> bool:
    targets = TARGETS.get(type(base).__name__, ["query_key_value"])
    config = peft.LoraConfig(
        target_modules=targets, modules_to_save=[name], ensure_weight_tying=True
    )
    model = peft.get_peft_model(base, config)
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("is the head the trained copy of the embedding?")
got = {type(base).__name__: shared(name, base) for name, base in CASES.items()}
expected = dict.fromkeys(got, True)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
