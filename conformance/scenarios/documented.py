"""The documentation's own examples: the training that each describes, and what a CPU needs."""

from collections.abc import Mapping
from types import MappingProxyType

from .scenario import Injection, Scenario

LORA = Scenario(
    injection=Injection.NATIVE,
    examples=56,
    varied_lengths=False,
    batch_size=4,
    accumulation=4,
    epochs=3.0,
    learning_rate=2e-4,
    save="epoch",
    logging_steps=10,
)
QLORA = LORA.but(
    adapter="default-targets",
    examples=40,
    batch_size=1,
    accumulation=16,
    epochs=1.0,
    bf16=True,
    gradient_checkpointing="non-reentrant",
    save="steps",
    save_steps=100,
    logging_steps=500,
)
EXAMPLES: Mapping[str, Scenario] = MappingProxyType({"lora": LORA, "qlora": QLORA})
FOR_A_CPU: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "lora": ("    fp16=True,\n", ""),
        "qlora": ("    bf16=True,\n", "    bf16=True,\n    use_cpu=True,\n"),
    }
)
"""What Transformers leaves out of, or asks for in, an example without a GPU."""

WRAPPED = (
    "model.add_adapter(lora_config)",
    "from peft import get_peft_model\nmodel = get_peft_model(model, lora_config)",
)
"""What a `PeftModel` takes instead of a model of Transformers' own."""

EVERY_STEP = ("save_steps=100", "save_steps=1")
"""What makes the short example save, so that it can be broken off."""
