"""A script from what it has to show: templates, filled with the scenario's parts."""

import re
import textwrap
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from packaging.version import InvalidVersion, Version

from conformance.contract import load
from conformance.records import Stack

from . import launching
from .hurting import HURT
from .literals import entries, keywords, literal
from .parts import parts, trained_in_base
from .rules import Shown

PACKAGES = ("accelerate", "peft", "torch", "transformers")
_NEEDED = {  # words of a script to further packages that it needs
    "load_file": "safetensors",
    "optuna": "optuna",
    "BitsAndBytesConfig": "bitsandbytes",
    "event_accumulator": "tensorboard",
    "HqqConfig": "hqq",
    "QuantoConfig": "optimum-quanto",
    "TorchAoConfig": "torchao",
}
_STANDARD = (
    "contextlib",
    "copy",
    "inspect",
    "itertools",
    "json",
    "math",
    "os",
    "random",
    "shutil",
    "signal",
    "socket",
    "sys",
    "tempfile",
    "traceback",
    "warnings",
)
_OTHERS = ("accelerate", "bitsandbytes", "numpy", "optuna", "peft", "torch", "transformers")
_MEMBERS = {
    "AutoModelForCausalLM": "transformers",
    "BitsAndBytesConfig": "transformers",
    "event_accumulator": "tensorboard.backend.event_processing",
    "EarlyStoppingCallback": "transformers",
    "get_peft_model": "peft",
    "HqqConfig": "transformers",
    "get_peft_model_state_dict": "peft",
    "PeftConfig": "peft",
    "PeftModel": "peft",
    "load_file": "safetensors.torch",
    "save_file": "safetensors.torch",
    "prepare_model_for_kbit_training": "peft",
    "QuantoConfig": "transformers",
    "TorchAoConfig": "transformers",
    "AutoConfig": "transformers",
    "LoraConfig": "peft",
    "Trainer": "transformers",
    "TrainerCallback": "transformers",
    "TrainingArguments": "transformers",
}
_WIDTH = 96
_ALONE = ("recipe", "signature")  # templates that stand without the setup
_EVALUATING = ("lifecycle", "search", "recipe", "pair", "when", "rates", "handed")
"""Those that have data to evaluate in any case."""
_CHANGING = (
    *("precision", "lifecycle", "search", "events", "stopping", "tensorboard"),
    *("pair", "when", "rates", "observed", "handed", "again", "stepped"),
    *("refuses", "poisoned", "alike", "together", "grouped"),
)
"""Templates that train with other arguments than the scenario's too."""
_PROBING = ("lifecycle",)  # those that look at logits
_PROBES = (  # checks that do
    *("frozen.disabled-logits", "injection.begins-as-base"),
    *("checkpoint.round-trip", "checkpoint.final-save"),
    *("quantized.default-config", "quantized.merge", "lifecycle.refused", "methods.merge"),
    *("lifecycle.merge", "checkpoint.any-config"),
)
_NOT_SAID = ("scenario:", "Trace", "Failing test case", "Falsifying")  # the script says it


def render(what: Shown, stack: Stack, name: str) -> str:
    """The script for ``what``, pinned to the packages of ``stack``, to be called ``name``.

    Raises `NoScript` or `Unavailable`, with the reason, where there is none.
    """
    evaluated = what.rule.template in _EVALUATING
    known = {**parts(what.scenario, evaluated), **what.about}
    known["own_loss"] |= what.rule.template == "poisoned"
    known |= launching.sharing(what.rule.template, what.scenario)
    setup = "" if what.rule.template in _ALONE else "setup"
    body = _rendered(setup, what, known) + _rendered(what.rule.template, what, known)
    members = {**_MEMBERS, known["auto_class"]: "transformers", known["peft_config"]: "peft"}
    header = _template("header").render(
        dependencies=_pinned(stack, body),
        python=_python(stack),
        title=_wrapped(f"{what.case.clause}: {_statement(what)}", 3),
        about=_about(what, name),
        imports=_imports(body + _ALWAYS, members),
    )
    return re.sub(r"\n{4,}", "\n\n\n", header + "\n" + body).rstrip() + "\n"


_ALWAYS = "torch warnings transformers"  # what the header itself uses


def _rendered(name: str, what: Shown, known: dict[str, Any]) -> str:
    return str(_template(name).render({**_derived(what, known), **known})) if name else ""


def _derived(what: Shown, known: dict[str, Any]) -> dict[str, Any]:
    """What follows from the parts: pieces of calls, and which helpers the check uses."""
    scenario, name = what.scenario, known["adapter_name"]
    probing = what.rule.template in _PROBING or what.check in _PROBES
    inside = not scenario.native and name != "default"
    first = scenario.recipe.order[0]
    return {
        "named": f", adapter_name={literal(first)}" if first != "default" else "",
        "cast": "" if scenario.autocast_adapter else ", autocast_adapter_dtype=False",
        "subfolder": f"/{name}" if inside else "",
        "below": f"{name}/" if inside else "",
        "uses_probe": probing,
        "uses_evaluation": known["evaluation"] is not None,
        "differentiable": False,
        "hurt": HURT,
        "ends_in": "" if what.rule.template == "completes" else what.ends_in,
        "changes": what.rule.template in _CHANGING,
        "trained_in_base": _left_out(what, known),
        **_scaled(known["adapter"]),
    }


def _scaled(adapter: dict[str, Any]) -> dict[str, Any]:
    """How LoRA's product is scaled, where the adapter is one; and how far rounding takes logits."""
    from conformance import oracle

    return {
        "alpha": adapter.get("lora_alpha", 1),
        "alphas": adapter.get("alpha_pattern", {}),
        "root": bool(adapter.get("use_rslora")),
        "rounding": oracle.GRADIENT,
    }


def _left_out(what: Shown, known: dict[str, Any]) -> list[str]:
    """Names of base parameters that a check of the base passes over."""
    if what.rule.template not in ("frozen", "checkpoint", "model"):
        return []
    names = trained_in_base(what.scenario)
    if what.check == "checkpoint.adapter-only" and what.scenario.copies_modules:
        from conformance.running.build import plain_model

        copied = known["adapter"].get("modules_to_save", ())
        every = [name for name, _ in plain_model(what.scenario).named_parameters()]
        names += [n for n in every if any(part in n.split(".") for part in copied)]
    return names


def _pinned(stack: Stack, body: str) -> list[str]:
    """The packages at the versions that were judged, without a build's local label.

    What is no version is left out.
    """
    needed = {*PACKAGES, "numpy", *(name for word, name in _NEEDED.items() if word in body)}
    found = ((name, _public(each)) for name, each in sorted(stack.packages.items()))
    return [f"{name}=={version}" for name, version in found if name in needed and version]


def _public(version: str) -> str:
    try:
        return Version(version).public
    except InvalidVersion:
        return ""


def _python(stack: Stack) -> str:
    """The Python that was judged on, without the last number."""
    found = re.match(r"[0-9]+\.[0-9]+(?![0-9])", stack.python)
    return found[0] if found else ""


def _imports(body: str, members: dict[str, str]) -> str:
    """The import statements that the body needs, sorted as isort does."""
    used = set(re.findall(r"\b[A-Za-z_]\w*\b", body))
    standard = [f"import {name}" for name in _STANDARD if name in used]
    if "Path" in used:
        standard.append("from pathlib import Path")
    others = [f"import {name}" for name in _OTHERS if name in used]
    for package in sorted(set(members.values())):
        names = sorted((n for n in used if members.get(n) == package), key=_isorted)
        if names:
            line = f"from {package} import {', '.join(names)}"
            if len(line) > _WIDTH:
                line = f"from {package} import (\n" + "".join(f"    {n},\n" for n in names) + ")"
            others.append(line)
    return "\n".join(standard) + "\n\n" + "\n".join(others)


def _isorted(name: str) -> tuple[bool, str]:
    """Classes come before functions."""
    return (name[0].islower(), name)


def _statement(what: Shown) -> str:
    return load().clause(what.case.clause).statement


def _about(what: Shown, name: str) -> str:
    """What a maintainer who has never seen this project has to know, as lines of a docstring."""
    source = load().clause(what.case.clause).source
    lines = [
        _wrapped(f"Documented: {source}"),
        "",
        "Measured:",
        *(_indented(line) for line in _first_lines(what.case.message)),
        "",
        _wrapped(
            f"Run it with `uv run {name}`, or with python where these packages are installed. It "
            f"needs no GPU and no network{_BY_FORKS if what.scenario.launch else ''}. It exits "
            "with 1, and says what it measured, where the statement above is violated, and with 0 "
            "where it holds."
        ),
    ]
    return "\n".join(lines)


_BY_FORKS = ", and starts its processes by os.fork, as Linux has it"


def _first_lines(message: str) -> list[str]:
    lines = [line for line in message.splitlines() if not line.startswith(_NOT_SAID)]
    return [re.sub(r"/\S*/(?=checkpoint-|final)", ".../", line) for line in lines[:4]]


def _indented(line: str) -> str:
    return textwrap.indent(_wrapped(line.rstrip(), 4), "    ")


def _wrapped(text: str, narrower: int = 0) -> str:
    """Lines of a docstring, which nothing in them ends."""
    plain = "".join(each for each in text.replace("\t", " ") if each.isprintable())
    lines = textwrap.wrap(plain, _WIDTH - narrower, break_on_hyphens=False)
    # Escaped once it is cut: what is cut in the midst of an escape is another one.
    rows = (line.rstrip().replace("\\", "\\\\").replace('"""', "'''") for line in lines)
    return "\n".join(rows)


@cache
def _template(name: str) -> Any:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    folder = resources.files(__package__).joinpath("templates")

    def source(name: str) -> str:
        return folder.joinpath(f"{name}.jinja").read_text("utf-8")

    made = Environment(  # noqa: S701 - Python source, no HTML
        loader=FunctionLoader(source),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["literal"] = lambda value, used=0: literal(value, "", used)
    made.filters["keywords"] = keywords
    made.filters["copied"] = launching.copied
    made.filters["gathered"] = launching.gathered
    made.filters["entries"] = entries
    return made
