"""The declarations that come with the project: of Transformers' own Trainers and TRL's."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from conformance.scenarios import Scenario

from .subject import Difference, Subject

TRAINER = Subject()
EXAMPLES = Difference(
    "the documentation's examples build a Trainer and its arguments", ("recipes.*",)
)

SEQ2SEQ = Subject(
    trainer="transformers:Seq2SeqTrainer",
    arguments="transformers:Seq2SeqTrainingArguments",
    differences=(EXAMPLES,),
)


_SFT = "https://huggingface.co/docs/trl/sft_trainer"


def _tokenizer(scenario: Scenario) -> Mapping[str, Any]:
    """`SFTTrainer` wants a tokenizer even for examples that are tokenized; it is asked nothing."""
    config = scenario.family.config
    special = {name: config.get(f"{name}_token_id") for name in ("pad", "bos", "eos")}
    given = tuple((name, number) for name, number in special.items() if number is not None)
    return {"processing_class": _word_level(config["vocab_size"], given)}


@cache
def _word_level(size: int, special: tuple[tuple[str, int], ...]) -> Any:
    """A tokenizer of ``size`` words, named by their numbers; ``special`` are tokens of a role."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({str(n): n for n in range(size)}, unk_token="0"))  # noqa: S106
    roles = {f"{name}_token": str(number) for name, number in special}
    return PreTrainedTokenizerFast(tokenizer_object=words, **roles)


def _dataset(examples: list[dict[str, Any]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(examples)


SFT = Subject(
    trainer="trl:SFTTrainer",
    arguments="trl:SFTConfig",
    given={
        # The examples are tokenized, and labelled.
        "dataset_kwargs": {"skip_prepare_dataset": True},
        # Unless told otherwise it trains in bfloat16 and with gradient checkpointing.
        "bf16": False,
        "gradient_checkpointing": False,
        # The loss that clauses are about has no part for the balance of experts.
        "router_aux_loss_coef": 0.0,
    },
    keywords=_tokenizer,
    dataset=_dataset,
    tasks=("causal-lm",),
    differences=(
        EXAMPLES,
        Difference(
            "it takes a model and no model_init, which a search needs", ("search.*",), source=_SFT
        ),
        Difference(
            "it takes the datasets of the library of that name",
            ("*",),
            when={"iterable": ["sized", "streamed"]},
            source=_SFT,
        ),
        Difference(
            "it trains the adapter of a quantized model in bfloat16",
            ("quantized.reference", "quantized.accumulation", "quantized.close-to-full"),
            source="https://huggingface.co/papers/2305.14314",
        ),
        Difference(
            # The ranks add halves of the batch up in other orders, each rounded to bfloat16: two
            # neighbours of 8 bits lie 2^-8 apart. What is farther off still fails.
            "it trains the adapter of a quantized model in bfloat16, to whose rounding alone the "
            "gradients of several processes are those of one",
            ("fsdp.qlora",),
            tests=("test_equals_single",),
            source="https://huggingface.co/papers/2305.14314",
            symptom=r"^Violation: gradients of step \d+\n +got: +distance 0\.00[0-3]",
        ),
        Difference("it takes a PreTrainedModel or a PeftModel", ("methods.mixed*",), source=_SFT),
        Difference("it makes its batches by itself", ("loop.default-collator",), source=_SFT),
        Difference(
            "it predicts where there are labels",
            ("evaluation.predict",),
            tests=("test_predict_without_labels",),
            source=_SFT,
        ),
    ),
)

# By the names that `conformance.subjects.finding.short_name` gives the classes.
SHIPPED: Mapping[str, Subject] = MappingProxyType(
    {subject.trainer: subject for subject in (SEQ2SEQ, SFT)}
)
