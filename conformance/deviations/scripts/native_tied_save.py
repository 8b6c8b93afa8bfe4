"""An adapter added with add_adapter and ensure_weight_tying loads back with the base's head.

Documented: LoraConfig.ensure_weight_tying, "will ensure that the adapters added to the tied layers
are also tied" (https://huggingface.co/docs/peft/package_reference/lora), and save_pretrained and
load_adapter of the Transformers PEFT guide (https://huggingface.co/docs/transformers/peft).

Instead: the file lacks lm_head.weight, and the loaded model has other logits than the saved one.

Why: transformers/modeling_utils.py, PreTrainedModel.save_pretrained calls
remove_tied_weights_from_state_dict on the adapter's tensors too, and the copies of embedding and
head are one tensor. load_adapter (transformers/integrations/peft.py) gives the embedding's copy the
loaded tensor and leaves the head's copy at the base's weight: the two are not tied again.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

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
    tie_word_embeddings=True,
)


def base() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LLAMA).eval()


def distance(folder: str) -> float:
    config = peft.LoraConfig(
        target_modules=["q_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True
    )
    model = base()
    model.add_adapter(config)
    with torch.no_grad():
        model.get_input_embeddings().weight.add_(0.1)
    model.save_pretrained(folder)
    loaded = base()
    loaded.load_adapter(folder)
    rows = torch.arange(3, 11)[None]
    with torch.no_grad():
        return round((model(rows).logits - loaded(rows).logits).abs().max().item(), 3)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("largest difference between the logits of the model saved and of the model loaded")
with tempfile.TemporaryDirectory() as output_dir:
    got, expected = distance(output_dir), 0.0
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
