"""The loss grows with gradient_accumulation_steps for BART, RoBERTa, Whisper and others.

Documented: gradient_accumulation_steps, "simulates larger batch sizes without additional memory"
(https://huggingface.co/docs/transformers/main_classes/trainer): 4 batches of 1 are one batch of 4.

Instead: the loss is the sum of the micro-batches' means, 4 times too large.

Why: transformers/trainer.py, Trainer.__init__ takes any forward() with **kwargs for one that
divides its loss by num_items_in_batch (model_accepts_loss_kwargs), so Trainer.training_step does
not divide by the accumulation steps. The forward() of these classes takes **kwargs, yet
CrossEntropyLoss() of its own, and drops num_items_in_batch (models/bart/modeling_bart.py,
models/roberta/modeling_roberta.py, models/deberta_v2/modeling_deberta_v2.py,
models/whisper/modeling_whisper.py, models/bert/modeling_bert.py); the classifiers of Llama and
other decoders do not hand it on (modeling_layers.py, GenericForSequenceClassification).
"""

import os
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import Trainer, TrainingArguments

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

TINY = {"vocab_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16}
ENCODER = {**TINY, "intermediate_size": 32, "hidden_dropout_prob": 0, "num_labels": 3}
ENCODER["attention_probs_dropout_prob"] = 0
BOTH = {"vocab_size": 64, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "dropout": 0}
BOTH |= {"encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "decoder_start_token_id": 1}
BOTH |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "bos_token_id": 1}
BOTH |= {"pad_token_id": 0, "eos_token_id": 2}
SOUND = {"num_mel_bins": 4, "max_source_positions": 8}

rows = torch.randint(3, 64, (4, 8), generator=torch.Generator().manual_seed(1))
text = [{"input_ids": row, "labels": row} for row in rows]
classes = [{"input_ids": row, "labels": row[0] % 3} for row in rows]
tags = [{"input_ids": row, "labels": row % 3} for row in rows]
sounds = [{"input_features": torch.rand(4, 16), "labels": row} for row in rows]

roberta = transformers.RobertaConfig(**ENCODER)
deberta = transformers.DebertaV2Config(**ENCODER)
bert = transformers.BertConfig(**ENCODER)
whisper = transformers.WhisperConfig(**BOTH, **SOUND)
llama = transformers.LlamaConfig(**TINY, intermediate_size=32, num_labels=3, pad_token_id=0)
QV, PROJECTIONS = ["query", "value"], ["q_proj", "v_proj"]
CASES = [
    (transformers.BartForConditionalGeneration, transformers.BartConfig(**BOTH), PROJECTIONS, text),
    (transformers.RobertaForSequenceClassification, roberta, QV, classes),
    (transformers.LlamaForSequenceClassification, llama, PROJECTIONS, classes),
    (transformers.DebertaV2ForSequenceClassification, deberta, ["query_proj"], classes),
    (transformers.BertForTokenClassification, bert, QV, tags),
    (transformers.BertForMaskedLM, bert, QV, text),
    (transformers.WhisperForConditionalGeneration, whisper, PROJECTIONS, sounds),
]


def loss(folder: str, batch_size: int, case: tuple) -> float:
    model_class, config, targets, data = case
    torch.manual_seed(0)
    model = peft.get_peft_model(model_class(config), peft.LoraConfig(target_modules=targets))
    arguments = TrainingArguments(
        folder,
        max_steps=1,
        logging_steps=1,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=4 // batch_size,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer.train().training_loss


print(
    f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}"
)
print("loss of one step on the same 4 examples: 4 batches of 1 over 1 batch of 4")
got = {}
with tempfile.TemporaryDirectory() as output_dir:
    for case in CASES:
        many, one = loss(output_dir, 1, case), loss(output_dir, 4, case)
        got[case[0].__name__] = round(many / one, 3)
expected = dict.fromkeys(got, 1.0)
print(f"got:      {got}\nexpected: {expected}")
sys.exit(got != expected)
