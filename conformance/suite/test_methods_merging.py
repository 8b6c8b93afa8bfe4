"""Chapter methods: what can be merged into the base gives what it gave, and comes out again."""

from conformance import compat
from conformance.checks.injection import acting, with_a_second
from conformance.checks.merging import logits_stay
from conformance.judging import changed, close_tensors, empty, refused
from conformance.marks import clause, scenarios
from conformance.running import build, data
from conformance.running.looking import logits, tensors
from conformance.scenarios import METHODS, Scenario, core_families, family

BOTH = ["default", "second"]
ALONE = ("ln-tuning", "osf")  # whose adapters stand for whole weights: one at a time acts
BIASED = ("bert", "gpt2")
ROUNDED = 1e-5  # of a tensor: some dozen float32 roundings, where a rotation is turned back


def every_method(profile):
    """Every recipe, wrapped, on a family whose projections have biases, where it fits one; in full
    on all that it fits.
    """
    for name, recipe in METHODS.items():
        fitting = [each for each in core_families() if recipe.fits(family(each))]
        few = [each for each in BIASED if each in fitting] or fitting
        turn = sum(map(ord, name)) % len(few)
        for each in fitting if profile.strength > 2 else few[turn:][:1]:
            yield Scenario(adapter=name, architecture=each)


def _moved(scenario, by=0.02):
    """A model whose adapter is not the one that was injected, but moved by so much.

    Raises `Unavailable` where the method has nothing that could be merged.
    """
    if scenario.recipe.experts or scenario.recipe.tasks:
        raise compat.Unavailable(f"{scenario.recipe.method} chooses between adapters by the input")
    model = build.inject(scenario, build.base_model(scenario), seed=1)
    if not hasattr(model.base_model, "merge_adapter"):
        raise compat.Unavailable(f"{scenario.recipe.method} sits on no layer")
    return build.move_adapter(model, by, copies=False).eval()


def _merging(call):
    """Do it; raises `Unavailable` where the method says that it cannot."""
    try:
        return call()
    except NotImplementedError as error:
        raise compat.Unavailable(f"not supported: {error}") from error
    except ValueError as error:
        if "no bias, cannot merge" in str(error):
            raise compat.Unavailable(str(error)) from error
        raise


@clause("methods.merge")
@scenarios(every_method)
def test_merge(scenario):
    """Merged, unmerged and merged for good the model gives what it gave; unmerged the base is back.

    Tolerance: as where a LoRA is merged.
    """
    model, probe = _moved(scenario), data.probe(scenario)
    before, held = logits(model, probe), tensors(model)
    plain = logits(build.base_model(scenario), data.for_the_base(probe))
    changed("the adapter", {"all": plain}, {"all": before})
    _merging(lambda: compat.merge_adapter(model, safe=False))
    logits_stay(logits(model, probe), before)
    _merging(model.unmerge_adapter)
    close_tensors("every tensor after unmerging", tensors(model), held, ROUNDED)
    logits_stay(logits(_merging(model.merge_and_unload), probe), before)


def several_at_once(profile):
    """Every recipe but `ALONE`, wrapped, on a family without a head to train, which acts alone."""
    for name, recipe in ((n, r) for n, r in METHODS.items() if n not in ALONE):
        causal = [each for each in core_families() if family(each).task == "causal-lm"]
        causal.sort(key=lambda each: family(each).tied)  # tied last: two adapters break there
        fitting = [each for each in causal if recipe.fits(family(each))]
        for each in fitting if profile.strength > 2 else fitting[:1]:
            yield Scenario(adapter=name, architecture=each)


@clause("methods.merge")
@scenarios(several_at_once)
def test_merge_two(scenario):
    """Two that act together give merged at once what they gave, trained tokens of other rows.

    Tolerance: as where a LoRA is merged.
    """
    _merged_they_give_the_same(scenario, BOTH)


@clause("methods.merge")
@scenarios(several_at_once)
def test_merge_two_in_turn(scenario):
    """So they do merged one after the other. Tolerance: as where a LoRA is merged."""
    _merged_they_give_the_same(scenario, BOTH[:1], BOTH[1:])


def _merged_they_give_the_same(scenario, *calls):
    others = {"token_indices": [40, 50]} if scenario.adapter == "trainable-tokens" else {}
    model, probe = with_a_second(scenario, _moved(scenario, 0.1), **others), data.probe(scenario)
    first = logits(model, probe)
    model.set_adapter("second")
    build.move_adapter(model, 0.1, copies=False)
    acting(model, BOTH)
    before = logits(model, probe)
    changed("the second adapter", {"all": first}, {"all": before})
    for names in calls:
        _merging(lambda names=names: model.merge_adapter(names))
    logits_stay(logits(model, probe), before)


@clause("methods.safe-merge")
@scenarios(every_method)
def test_safe_merge_gives_the_same(scenario):
    """Merged safely the model gives what it gave. Tolerance: as where a LoRA is merged."""
    model, probe = _moved(scenario), data.probe(scenario)
    before = logits(model, probe)
    _merging(lambda: compat.merge_adapter(model, safe=True))
    logits_stay(logits(model, probe), before)


@clause("methods.safe-merge")
@scenarios(every_method)
def test_safe_merge(scenario):
    """An adapter that holds NaN is refused, and no weight of the base takes one."""
    model = _moved(scenario, by=float("nan"))
    merge = lambda: _merging(lambda: compat.merge_adapter(model, safe=True))  # noqa: E731
    refused("merging", merge, error=ValueError, says="NaN")
    base = build.base_model(scenario).state_dict()
    named = {build.base_name(name): tensor for name, tensor in tensors(model).items()}
    spoiled = [n for n, tensor in named.items() if n in base and tensor.isnan().any()]
    empty("weights with NaN", spoiled)
