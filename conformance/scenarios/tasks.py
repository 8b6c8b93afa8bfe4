"""The tasks that models are trained for, as data.

What a batch of each looks like is in `conformance.running.tasks`, its loss in `….losses`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LOGITS = ("logits",)


@dataclass(frozen=True, slots=True)
class Task:
    """What is learned.

    ``auto_class`` builds its models in transformers; ``task_type`` is peft's name for it, empty
    where peft has none; ``labels`` are the inputs that hold the labels and ``outputs`` what the
    model gives for each of them; ``shifted`` labels are those of the next position; ``fresh_head``
    models get an untrained head, which every adapter therefore trains a copy of; models of tasks
    without a loss ``of_its_own`` compute none, so that the Trainer has to be given one.
    """

    auto_class: str
    task_type: str = ""
    labels: tuple[str, ...] = ("labels",)
    outputs: tuple[str, ...] = LOGITS
    shifted: bool = False
    fresh_head: bool = False
    of_its_own: bool = True


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "causal-lm": Task("AutoModelForCausalLM", "CAUSAL_LM", shifted=True),
        "sequence-classification": Task(
            "AutoModelForSequenceClassification", "SEQ_CLS", fresh_head=True
        ),
        "seq2seq-lm": Task("AutoModelForSeq2SeqLM", "SEQ_2_SEQ_LM"),
        "token-classification": Task(
            "AutoModelForTokenClassification", "TOKEN_CLS", fresh_head=True
        ),
        "question-answering": Task(
            "AutoModelForQuestionAnswering",
            "QUESTION_ANS",
            labels=("start_positions", "end_positions"),
            outputs=("start_logits", "end_logits"),
            fresh_head=True,
        ),
        "masked-lm": Task("AutoModelForMaskedLM"),
        "feature-extraction": Task(
            "AutoModel", "FEATURE_EXTRACTION", outputs=("last_hidden_state",), of_its_own=False
        ),
        "image-classification": Task("AutoModelForImageClassification", fresh_head=True),
        "speech-seq2seq": Task("AutoModelForSpeechSeq2Seq"),
        "image-text": Task("AutoModelForImageTextToText", "CAUSAL_LM", shifted=True),
    }
)
"""All tasks by name."""
