"""With re-entrant gradient checkpointing the adapter of a wrapped ViT never trains, silently.

Documented: PreTrainedModel.enable_input_require_grads, "useful for fine-tuning adapter weights
while keeping the model weights fixed" (https://huggingface.co/docs/transformers/main_classes/model);
gradient checkpointing trades compute for memory and nothing else
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: the classifier trains, and no LoRA weight gets a gradient.

Why: transformers/modeling_utils.py, PreTrainedModel._activation_checkpointing_enable calls
enable_input_require_grads() only if main_input_name is "input_ids" or the adapter was added with
add_adapter (_hf_peft_config_loaded); ViT's is
"pixel_values". peft/peft_model.py, PeftModel.__init__
would do it, but only for a model that is_gradient_checkpointing already, which the Trainer turns on
later. Re-entrant checkpointing records nothing for inputs that require no gradient.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

VIT = ViTConfig(
    image_size=8,
    patch_size=4,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_labels=3,
)


def moved(folder: str, checkpointing: bool) -> list[str]:
    torch.manual_seed(0)
    config = peft.LoraConfig(
        target_modules=["query", "value", "q_proj", "v_proj"], modules_to_save=["classifier"]
    )
    model = peft.get_peft_model(ViTForImageClassification(VIT), config)
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        logging_steps=1,
        gradient_checkpointing=checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": True},
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    data = [{"pixel_values": torch.rand(3, 8, 8), "labels": number % 3} for number in range(4)]
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    changed = (n for n, p in model.named_parameters() if not torch.equal(p, before[n]))
    return sorted({"lora_B" if "lora_B" in name else "classifier" for name in changed})


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("what a step changes with re-entrant gradient checkpointing, and without it")
with tempfile.TemporaryDirectory() as output_dir:
    got, expected = moved(output_dir, True), moved(output_dir, False)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
