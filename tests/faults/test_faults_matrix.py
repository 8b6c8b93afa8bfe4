"""The kill matrix and the choice of its cases, from hand-made outcomes."""

from conformance import contract
from conformance.controls.matrix import matrix, proofs, unproven
from conformance.controls.outcome import Kind, Outcome
from conformance.controls.sampling import Place, cover

A, B, C = "frozen.bit-identical", "frozen.no-gradient", "output.epoch"
ALL = (A, B, C)


def caught(name: str, clause: str, *red: str, seen: tuple[str, ...] = ALL) -> Outcome:
    others = tuple(each for each in seen if each != clause)
    return Outcome(name, clause, Kind.CAUGHT, seen=others, red=red)


def test_rows_name_the_clause_and_what_else_turned_red() -> None:
    (row,) = matrix([caught("x", A, C), Outcome("y", A, Kind.SURVIVED, seen=(), red=(C,))]).rows
    assert (row.fault, row.red, row.others) == ("x", {A, C}, (C,))


def test_outcomes_without_a_matrix_have_no_row() -> None:
    assert matrix([Outcome("x", A, Kind.CAUGHT)]).rows == ()


def test_a_clause_is_shadowed_by_what_is_red_whenever_it_is() -> None:
    found = matrix([caught("x", A, C), caught("y", A, B, C), caught("z", C)])
    assert found.shadowed == {A: (C,), B: (C,)}


def test_a_clause_that_its_own_faults_alone_turn_red_casts_no_shadow() -> None:
    assert matrix([caught("x", A, B, seen=(B,))]).shadowed == {A: (B,)}


def test_a_fault_that_leaves_the_other_green_tells_them_apart() -> None:
    assert matrix([caught("x", A, B), caught("y", A), caught("z", B)]).shadowed == {}


def test_a_clause_that_had_no_say_casts_no_shadow() -> None:
    unseen = caught("y", C, seen=(B,))
    assert matrix([caught("x", A, C), unseen]).shadowed == {A: (C,)}
    assert matrix([caught("x", A, seen=(B,)), caught("y", C)]).shadowed == {}


def test_a_must_without_a_fault_that_turns_it_red_is_unproven() -> None:
    tested = contract.tested(contract.load())
    musts = [c.id for c in contract.load().chapter("frozen").clauses if c.id in tested]
    outcomes = [Outcome("x", name, Kind.CAUGHT) for name in musts[1:]]
    assert unproven(outcomes, ("frozen",)) == (musts[0],)
    survived = Outcome("y", musts[0], Kind.SURVIVED)
    assert unproven([*outcomes, survived], ("frozen",)) == (musts[0],)
    assert unproven([*outcomes, Outcome("y", musts[0], Kind.NOT_RUN)], ("frozen",)) == ()
    assert set(unproven(outcomes)) > set(unproven(outcomes, ("output",)))


def test_proofs_are_the_registered_faults_with_what_became_of_them() -> None:
    found = proofs([Outcome("one-base-weight-nudged", A, Kind.CAUGHT)])[A]
    became = {proof.fault: proof.became for proof in found}
    assert became["one-base-weight-nudged"] == "caught"
    assert became["a-base-tensor-cast-and-back"] == ""
    assert all(proof.story for proof in found)


def test_cover_takes_the_scenarios_that_add_the_most_clauses() -> None:
    places = [
        Place(A, "rare"),
        Place(A, "common"),
        Place(B, "common"),
        Place(B, "again"),
        Place(C, "lonely"),
    ]
    assert cover(places, 1) == ["common"]
    assert cover(places, 9) == ["common", "lonely"]
    assert cover([], 1) == []
