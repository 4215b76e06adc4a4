"""What a hint offers, and what it does not."""

from __future__ import annotations

from pdp.language.suggest import suggest


def test_the_name_most_like_it_is_offered() -> None:
    assert suggest("bonud", ["binding", "bound", "age"]) == "did you mean `bound`?"


def test_nothing_is_offered_where_nothing_is_like_it() -> None:
    assert suggest("amount", ["type", "id"]) == ""


def test_what_stands_before_a_name_makes_no_two_names_alike() -> None:
    assert suggest("amount", ["type", "id"], "resource.") == ""
    assert suggest("amonut", ["amount"], "resource.") == "did you mean `resource.amount`?"


def test_a_name_is_not_offered_instead_of_itself() -> None:
    assert suggest("to", ["to"]) == ""


def test_a_name_in_other_letters_is_offered_however_short_it_is() -> None:
    assert suggest("OR", ["and", "or", "order"]) == "did you mean `or`?"
    assert suggest("or", ["OR"]) == "did you mean `OR`?"
