"""With re-entrant gradient checkpointing a wrapped Whisper cannot be trained.

Documented: PreTrainedModel.enable_input_require_grads, "useful for fine-tuning adapter weights
while keeping the model weights fixed" (https://huggingface.co/docs/transformers/main_classes/model);
gradient checkpointing trades compute for memory and nothing else
(https://huggingface.co/docs/transformers/main_classes/trainer).

Instead: RuntimeError, "element 0 of tensors does not require grad".

Why: transformers/modeling_utils.py, PreTrainedModel._activation_checkpointing_enable calls
enable_input_require_grads() only if main_input_name is "input_ids" or the adapter was added with
add_adapter (_hf_peft_config_loaded); Whisper's is
"input_features". peft/peft_model.py, PeftModel.__init__
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
from transformers import Trainer, TrainingArguments, WhisperConfig, WhisperForConditionalGeneration

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

WHISPER = WhisperConfig(
    vocab_size=64,
    d_model=16,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=32,
    decoder_ffn_dim=32,
    num_mel_bins=4,
    max_source_positions=8,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    decoder_start_token_id=1,
)


def steps(folder: str, checkpointing: bool) -> str:
    config = peft.LoraConfig(target_modules=["q_proj", "v_proj"])
    model = peft.get_peft_model(WhisperForConditionalGeneration(WHISPER), config)
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
    labels = torch.randint(3, 64, (6,))
    data = [{"input_features": torch.rand(4, 16), "labels": labels} for _ in range(4)]
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    try:
        return f"{trainer.train().global_step} step"
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("one step with re-entrant gradient checkpointing, and without it")
with tempfile.TemporaryDirectory() as output_dir:
    got, expected = steps(output_dir, True), steps(output_dir, False)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
