"""label_smoothing_factor does not shift the labels of LLaVA.

Documented: TrainingArguments.label_smoothing_factor changes "the underlying onehot-encoded labels"
(https://huggingface.co/docs/transformers/main_classes/trainer), not which position predicts them.
LLaVA is a decoder: each position predicts the next one's label, as its own loss does.

Instead: the smoothed loss scores each position against the label at the same place.

Why: transformers/trainer.py, Trainer.compute_loss passes shift_labels=True to the LabelSmoother
only for classes listed in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES; LlavaForConditionalGeneration is not.
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Trainer,
    TrainingArguments,
)

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

TINY = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
TINY["num_attention_heads"] = 2
TEXT = LlamaConfig(vocab_size=64, initializer_range=0.5, **TINY)
VISION = CLIPVisionConfig(image_size=8, patch_size=4, projection_dim=16, **TINY)
LLAVA = LlavaConfig(
    text_config=TEXT, vision_config=VISION, image_token_index=63, vision_feature_layer=-1
)
SMOOTHING = 0.1


def losses(folder: str) -> tuple[float, float]:
    torch.manual_seed(0)
    model = peft.get_peft_model(
        LlavaForConditionalGeneration(LLAVA), peft.LoraConfig(target_modules=["q_proj"])
    )
    ids = torch.cat([torch.full((4, 4), 63), torch.randint(3, 63, (4, 8))], dim=1)
    labels = ids.masked_fill(ids == 63, -100)
    images = torch.rand(4, 3, 8, 8)
    with torch.no_grad():
        logits = model(input_ids=ids, pixel_values=images).logits
    shifted = logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    expected = cross_entropy(*shifted, label_smoothing=SMOOTHING).item()
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        logging_steps=1,
        per_device_train_batch_size=4,
        label_smoothing_factor=SMOOTHING,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    data = [
        {"input_ids": row, "pixel_values": image, "labels": label}
        for row, image, label in zip(ids, images, labels, strict=True)
    ]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    return round(trainer.train().training_loss, 3), round(expected, 3)


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("loss of one step on one batch, and torch's smoothed cross-entropy of the next token")
with tempfile.TemporaryDirectory() as output_dir:
    got, expected = losses(output_dir)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
