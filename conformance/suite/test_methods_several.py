"""Chapter methods: several adapters in one model, mixed or taking turns."""

from peft import get_peft_model

from conformance.judging import changed, empty, identical, refused
from conformance.marks import clause, scenarios
from conformance.running import build, trainers
from conformance.running.looking import identities, names_in_base, tensors, trainable
from conformance.scenarios import ALIKE, RECIPES, Injection, Scenario, core_families, family

SHORT = Scenario(examples=6, weight_decay=0.1)
MIXED = ("loha", "lokr", "oft", "shira", "adalora")  # documented to mix with LoRA
TURNS = ("lora", "ia3", "oft", "trainable-tokens", "vera", "prompt-tuning")


def _on_families(names, native):
    """Trainings of these recipes: on Llama, in full on every core family that they fit."""

    def choose(profile):
        families = core_families() if profile.strength > 2 else ("llama",)
        return [
            SHORT.but(adapter=name, injection=injection, architecture=architecture)
            for name in names
            for injection in (tuple(Injection) if native else (Injection.WRAPPED,))
            for architecture in families
            if RECIPES[name].fits(family(architecture))
            if RECIPES[name].native or injection is Injection.WRAPPED
        ]

    return choose


def _of(adapter, held):
    """The tensors of one adapter."""
    return {name: tensor for name, tensor in held.items() if adapter in name.split(".")}


def _trained(model, adapter):
    """The parameters of one adapter that ask for gradients."""
    asking = trainable(model)
    return {name: held for name, held in _of(adapter, tensors(model)).items() if name in asking}


def _stays(what, names, before, after):
    identical(what, {n: after[n] for n in names}, {n: before[n] for n in names})


# ---- adapters of different types ------------------------------------------------------------


def _mixed(scenario):
    """LoRA and an adapter of the scenario's type, both active, and a second LoRA that is not.

    None saves a module: of copies only one can be active. Returns the model and its names of the
    base's tensors.
    """
    lora, other = (build.adapter_config(each) for each in (scenario.but(adapter="lora"), scenario))
    lora.modules_to_save = other.modules_to_save = None
    base = build.base_model(scenario)
    own = identities(base)
    model = get_peft_model(base, lora, adapter_name="first", mixed=True)
    model.add_adapter("second", other)
    model.add_adapter("idle", lora)
    model.set_adapter(["first", "second"])
    return model.train(), names_in_base(model, own)


@clause("methods.mixed")
@scenarios(_on_families(MIXED, native=False))
def test_mixed(trainer_class, scenario, folder):
    """Both active adapters are trained, all of each; the third and the base keep their bits."""
    model, base = _mixed(scenario)
    before = tensors(model)
    active = {name: _trained(model, name) for name in ("first", "second")}
    trainers.trainer(trainer_class, scenario, folder, model=model).train()
    after = tensors(model)
    for name, held in active.items():
        changed(f"training the {name} adapter", held, after)
    _stays("the base", base, before, after)
    _stays("the adapter that is not active", _of("idle", before), before, after)


@clause("methods.mixed-saving")
@scenarios([SHORT.but(adapter=name, save="steps") for name in ("loha", "oft")])
def test_mixed_saving(trainer_class, scenario, folder):
    """The first checkpoint of a mixed model is refused; no weights are written."""
    model, _ = _mixed(scenario)
    trainer = trainers.trainer(trainer_class, scenario, folder, model=model)
    refused(
        "a checkpoint of a mixed model",
        trainer.train,
        error=NotImplementedError,
        says="saving is not supported",
    )
    empty("weights on disk", [*folder.rglob("*.safetensors"), *folder.rglob("*.bin")])


# ---- adapters of one type, in turns ---------------------------------------------------------


@clause("methods.switching")
@scenarios(_on_families(TURNS, native=True))
def test_switching(trainer_class, scenario, folder):
    """One adapter is trained, then the other; the one that waits keeps its bits."""
    base = build.base_model(scenario)
    own = identities(base)
    model = build.inject(scenario, base, seed=1)
    build.add_inactive(scenario, model, ALIKE)
    names = names_in_base(model, own)
    for active, idle in (("default", ALIKE), (ALIKE, "default")):
        model.set_adapter(active)
        before, moving = tensors(model), _trained(model, active)
        trainers.trainer(trainer_class, scenario, folder, model=model).train()
        after = tensors(model)
        changed(f"training {active}", moving, after)
        _stays("the adapter that waits", _of(idle, before), before, after)
        _stays("the base", names, before, after)
