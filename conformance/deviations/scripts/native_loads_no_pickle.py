"""load_adapter cannot load an adapter of a local folder that is in adapter_model.bin.

Documented: the adapter's weights are in "adapter_model.safetensors" or "adapter_model.bin"
(https://huggingface.co/docs/peft/developer_guides/checkpoint), and load_adapter takes either: its
own error speaks of "either a .bin or a .safetensors adapter file"
(https://huggingface.co/docs/transformers/main_classes/peft).

Instead: FileNotFoundError for adapter_model.safetensors.

Why: transformers/integrations/peft.py, PeftAdapterMixin.load_adapter tries both names until one of
them raises no OSError, but modeling_utils.py, _get_resolved_checkpoint_files gives back the path of
a file in a local folder without looking whether it is there, so the second is never tried.
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
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()

LLAMA = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)

print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
with tempfile.TemporaryDirectory() as folder:
    model = LlamaForCausalLM(LLAMA)
    model.add_adapter(peft.LoraConfig(target_modules=["q_proj"]))
    model.save_pretrained(folder)
    file = Path(folder) / "adapter_model.safetensors"
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()
    print(f"load_adapter of a folder with {sorted(path.name for path in Path(folder).iterdir())}")
    try:
        LlamaForCausalLM(LLAMA).load_adapter(folder)
        got = "loaded"
    except OSError as error:
        got = f"{type(error).__name__}: {str(error).replace(folder, 'folder')}"
print(f"got:      {got}\nexpected: loaded")
sys.exit(got != "loaded")
