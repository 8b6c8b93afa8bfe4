"""The recipes of PEFT's methods other than LoRA: small, and as documented otherwise.

Where a method refuses a family (``fits``) or `add_adapter` (``native``), peft documents or says so.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .families import Family
from .recipe import Arguments, Recipe

VIRTUAL_TOKENS = 4
TOKENS = range(3, 32)  # half of those that examples are drawn from


def _targeted(**more: Any) -> Callable[[Family], Arguments]:
    """The attention projections as targets, a copy of the head where one has to be trained."""

    def arguments(family: Family) -> Arguments:
        found = {
            "task_type": family.about_task.task_type,
            "target_modules": list(family.attention),
            **more,
        }
        return {**found, "modules_to_save": [family.head]} if family.saves_head else found

    return arguments


def _transposing(**more: Any) -> Callable[[Family], Arguments]:
    """The same for configs that must be told of weights stored as (in, out), as Conv1D does."""

    def arguments(family: Family) -> Arguments:
        return {**_targeted(**more)(family), "fan_in_fan_out": family.fan_in_fan_out}

    return arguments


def _untargeted(**more: Any) -> Callable[[Family], Arguments]:
    """Nothing but the task and what is given: peft chooses the targets by architecture."""

    def arguments(family: Family) -> Arguments:
        found = {"task_type": family.about_task.task_type, **more}
        return {**found, "modules_to_save": [family.head]} if family.saves_head else found

    return arguments


def _prompt(**more: Any) -> Callable[[Family], Arguments]:
    """Virtual tokens before the input; the head's copy is peft's own doing for these."""
    return lambda family: {
        "task_type": family.about_task.task_type,
        "num_virtual_tokens": VIRTUAL_TOKENS,
        **more,
    }


def _chosen_tokens(family: Family) -> Arguments:
    return {
        "task_type": family.about_task.task_type,
        "target_modules": [family.embedding],
        "token_indices": list(TOKENS),
    }


def _context(family: Family) -> Arguments:
    """A context of four tokens: template, input, template, label, in CPT's numbering."""
    return {
        "task_type": family.about_task.task_type,
        "cpt_token_ids": [5, 9, 7, 11],
        "cpt_mask": [1, 1, 1, 1],
        "cpt_tokens_type_mask": [1, 2, 3, 4],
    }


def _mixture(family: Family) -> Arguments:
    width = next(family.config[name] for name in _WIDTHS if name in family.config)
    return {"task_type": family.about_task.task_type, "hidden_size": width}


_WIDTHS = ("hidden_size", "n_embd", "d_model")  # what families call the width of hidden states


def _norms(family: Family) -> Arguments:
    """The norms, where peft has no default for the architecture."""
    targets = _NORMS.get(family.name)
    return _untargeted(**({"target_modules": targets} if targets else {}))(family)


_NORMS = {"bert": ["LayerNorm"], "mixtral": ["input_layernorm", "post_attention_layernorm"]}


def _causal(family: Family) -> bool:
    return family.task == "causal-lm"


def _linear(family: Family) -> bool:
    """Whether its projections are `torch.nn.Linear` and not Conv1D."""
    return not family.fan_in_fan_out


def _named(*names: str) -> Callable[[Family], bool]:
    return lambda family: family.name in names


def _recipe(  # so that each begins with its method
    method: str, config: str, arguments: Callable[[Family], Arguments], **more: Any
) -> Recipe:
    return Recipe(arguments, method=method, config=config, **more)


METHODS: Mapping[str, Recipe] = MappingProxyType(
    {
        "adalora": _recipe(
            "ADALORA",
            "AdaLoraConfig",
            _transposing(
                init_r=4, target_r=2, lora_alpha=8, tinit=1, tfinal=1, deltaT=1, total_step=4
            ),
            allocates=True,
            condenses=True,
        ),
        "adamss": _recipe(
            "ADAMSS",
            "AdamssConfig",
            _targeted(r=4, num_subspaces=2, subspace_rank=1),
            needs="scikit-learn",
            fits=_linear,
        ),
        "adaption-prompt": _recipe(
            "ADAPTION_PROMPT",
            "AdaptionPromptConfig",
            lambda _: {"task_type": "CAUSAL_LM", "adapter_len": 4, "adapter_layers": 2},
            native=False,
            fits=_named("llama", "gpt2"),
        ),
        "beft": _recipe("BEFT", "BeftConfig", _targeted(), fits=_linear),
        "boft": _recipe("BOFT", "BOFTConfig", _transposing(boft_block_size=4), fits=_linear),
        "bone": _recipe("BONE", "BoneConfig", _targeted(r=4), fits=_linear),
        "c3a": _recipe("C3A", "C3AConfig", _targeted(block_size=8), fits=_linear),
        "cartridge": _recipe("CARTRIDGE", "CartridgeConfig", _prompt(), native=False, fits=_causal),
        "cpt": _recipe("CPT", "CPTConfig", _context, native=False, fits=_causal, condenses=True),
        "deft": _recipe("DEFT", "DeftConfig", _transposing(r=4)),
        "delora": _recipe("DELORA", "DeloraConfig", _targeted(r=4), fits=_linear),
        "fourierft": _recipe("FOURIERFT", "FourierFTConfig", _transposing(n_frequency=16)),
        "frod": _recipe("FROD", "FrodConfig", _transposing(progressbar=False), native=False),
        "glora": _recipe("GLORA", "GloraConfig", _targeted(r=4), fits=_linear),
        "gralora": _recipe("GRALORA", "GraloraConfig", _transposing(r=4, alpha=8)),
        "hira": _recipe("HIRA", "HiraConfig", _transposing(r=4)),
        "hra": _recipe("HRA", "HRAConfig", _targeted(r=4), fits=_linear),
        "ia3": _recipe("IA3", "IA3Config", _transposing(feedforward_modules=[])),
        "lily": _recipe("LILY", "LilyConfig", _targeted(r=4), fits=_linear),
        "ln-tuning": _recipe("LN_TUNING", "LNTuningConfig", _norms),
        "loha": _recipe("LOHA", "LoHaConfig", _targeted(r=4, alpha=8), fits=_linear),
        "lokr": _recipe("LOKR", "LoKrConfig", _targeted(r=4, alpha=8), fits=_linear),
        "miss": _recipe("MISS", "MissConfig", _targeted(r=4), fits=_linear),
        "multitask-prompt": _recipe(
            "MULTITASK_PROMPT_TUNING",
            "MultitaskPromptTuningConfig",
            _prompt(num_tasks=2),
            native=False,
            tasks=2,
        ),
        "oft": _recipe("OFT", "OFTConfig", _transposing(r=0, oft_block_size=4), fits=_linear),
        "osf": _recipe("OSF", "OSFConfig", _targeted(effective_rank=4)),
        "p-tuning": _recipe(
            "P_TUNING",
            "PromptEncoderConfig",
            _prompt(encoder_hidden_size=8),
            native=False,
            condenses=True,
        ),
        "peanut": _recipe("PEANUT", "PeanutConfig", _targeted(r=4), fits=_linear),
        "poly": _recipe(
            "POLY", "PolyConfig", _targeted(r=4, n_tasks=2, n_skills=2), tasks=2, fits=_linear
        ),
        "prefix-projection": _recipe(
            "PREFIX_TUNING",
            "PrefixTuningConfig",
            _prompt(prefix_projection=True, encoder_hidden_size=8),
            native=False,
            condenses=True,
        ),
        "prefix-tuning": _recipe("PREFIX_TUNING", "PrefixTuningConfig", _prompt(), native=False),
        "prompt-tuning": _recipe("PROMPT_TUNING", "PromptTuningConfig", _prompt(), native=False),
        "psoft": _recipe("PSOFT", "PsoftConfig", _transposing(r=4), fits=_linear),
        "pvera": _recipe("PVERA", "PveraConfig", _transposing(r=4), native=False, stochastic=True),
        "randlora": _recipe("RANDLORA", "RandLoraConfig", _transposing(r=4, randlora_alpha=8)),
        "road": _recipe("ROAD", "RoadConfig", _targeted(group_size=4), fits=_linear),
        "shadow": _recipe(
            "SHADOW",
            "ShadowConfig",
            lambda _: {"task_type": "CAUSAL_LM", "r": 4},
            native=False,
            stochastic=True,
            fits=_causal,
        ),
        "shira": _recipe("SHIRA", "ShiraConfig", _transposing(r=2), fits=_linear),
        "supertuning": _recipe(
            "SUPERTUNING", "SupertuningConfig", _targeted(sparsity=0.9), fits=_linear
        ),
        "tinylora": _recipe("TINYLORA", "TinyLoraConfig", _transposing(r=2, u=4), native=False),
        "trainable-tokens": _recipe("TRAINABLE_TOKENS", "TrainableTokensConfig", _chosen_tokens),
        "unilora": _recipe(
            "UNILORA", "UniLoraConfig", _transposing(r=4, theta_d_length=32), native=False
        ),
        "vblora": _recipe(
            "VBLORA",
            "VBLoRAConfig",
            _transposing(r=4, num_vectors=8, vector_length=4),
            native=False,
        ),
        "vera": _recipe("VERA", "VeraConfig", _transposing(r=4), native=False),
        "waveft": _recipe("WAVEFT", "WaveFTConfig", _transposing(n_frequency=16)),
        "xlora": _recipe(
            "XLORA",
            "XLoraConfig",
            _mixture,
            experts=("0", "1"),
            fits=_causal,
            base_settings={"use_cache": False},
        ),
    }
)
