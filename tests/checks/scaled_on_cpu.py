"""A Trainer that scales its loss on a CPU, as it does by itself on a card alone.

Accelerate refuses float16 without a card. torch's scaler works on a CPU as well, so it is put where
Accelerate would have put it: scaling, unscaling, skipping, saving and resuming are the libraries'
own. What is computed stays in float32.
"""

from typing import Any

import torch
from transformers import Trainer


class ScaledTrainer(Trainer):  # type: ignore[misc]
    """See above; ``fp16`` of its arguments is what asks for the scaler, as everywhere."""

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        if self.args.fp16:
            self.accelerator.native_amp = True
            self.accelerator.scaler = torch.amp.GradScaler("cpu")
            self.accelerator.state._shared_state["_mixed_precision"] = "fp16"

    def autocast_smart_context_manager(self, *_: Any, **__: Any) -> Any:
        return torch.autocast("cpu", enabled=False)
