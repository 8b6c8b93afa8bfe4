"""The floating-point operations that a model needs for one token of training.

A matrix of n weights takes 2n operations a token forward, 2n backward for the gradient of its
input, and 2n for the gradient of the weights. A frozen matrix has no gradient of its weights, so
LoRA needs about 4N a token where full fine-tuning needs 6N. An embedding is looked up and counts
for nothing; an output layer counts, tied or not.

Causal attention multiplies queries with keys, and weights with values, over half of the sequence
on average: 2 products of 2 operations over s/2 positions of all heads together, forward, and twice
that backward: 6 s d a layer and token (d = heads times their size).

What gradient checkpointing computes again is not the model's need, and is not counted; so
the utilisation of a checkpointed training is what it delivers, not how busy the card is.
"""

from dataclasses import dataclass
from typing import Any

FORMULA = "4 x frozen matrix weights + 6 x trained ones + 6 x layers x sequence x attention width"


@dataclass(frozen=True, slots=True)
class Weights:
    """How many weights of a model are matrices that each token is multiplied with."""

    frozen: int
    trained: int


def per_token(weights: Weights, *, layers: int, width: int, sequence: int) -> float:
    """Operations for one token of a row of ``sequence`` tokens; ``width`` is that of attention."""
    return 4.0 * weights.frozen + 6.0 * weights.trained + 6.0 * layers * sequence * width


def weights_of(model: Any) -> Weights:
    """The matrices of a model, those packed into 4 bits with all the weights they stand for.

    Every parameter of two dimensions is one, but for embeddings whose weights no output layer
    shares.
    """
    from torch import nn

    looked_up = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    output = model.get_output_embeddings()
    if output is not None:
        looked_up.discard(id(output.weight))
    frozen = trained = 0
    for parameter in model.parameters():
        if parameter.dim() != 2 or id(parameter) in looked_up:
            continue
        if parameter.requires_grad:
            trained += parameter.numel()
        else:
            frozen += _stands_for(parameter)
    return Weights(frozen, trained)


def _stands_for(parameter: Any) -> int:
    """A packed parameter of bitsandbytes keeps the shape it had."""
    state = getattr(parameter, "quant_state", None)
    if state is None:
        return int(parameter.numel())
    rows, columns = state.shape
    return int(rows * columns)


def attention_of(config: Any) -> tuple[int, int]:
    """Layers, and the width of attention over all heads."""
    heads = int(config.num_attention_heads)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    return int(config.num_hidden_layers), heads * size
