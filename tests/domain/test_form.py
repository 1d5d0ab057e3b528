"""The number of a form, as it is stored."""

from __future__ import annotations

import pytest

from app.domain.form import FORM, Form


@pytest.mark.parametrize("form", [Form(1), Form(FORM), Form(1, 2), Form(FORM, FORM + 1)])
def test_a_form_is_read_as_it_was_written(form: Form) -> None:
    assert Form.parse(str(form)) == form


@pytest.mark.parametrize("text", ["", "0", "-1", "2>", ">2", "2>3>4", "two", "1234567", "٣", "2\n"])
def test_nothing_else_is_a_form(text: str) -> None:
    with pytest.raises(ValueError, match="is not the form"):
        Form.parse(text)


@pytest.mark.parametrize(
    ("form", "is_current", "is_newer"),
    [
        (Form(FORM), True, False),
        (Form(FORM - 1), False, False),
        (Form(FORM - 1, FORM), False, False),
        (Form(FORM, FORM + 1), False, True),
        (Form(FORM + 1), False, True),
    ],
)
def test_only_data_of_our_form_is_worked_on(form: Form, is_current: bool, is_newer: bool) -> None:
    assert (form.is_current, form.is_newer) == (is_current, is_newer)
