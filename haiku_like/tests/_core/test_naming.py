import re

import pytest
from haiku_like._core.naming import NameRegister, check_module_name, method_suffix, snake_case
from hypothesis import given
from hypothesis import strategies as st

IDENTIFIERS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("Linear", "linear"),
        ("MyLayer", "my_layer"),
        ("HTTPServer", "http_server"),
        ("MLPv2", "ml_pv2"),
        ("ResNet50V2", "res_net50_v2"),
        ("Conv2DLSTM", "conv2_dlstm"),
        ("A_B", "a_b"),
        ("_Private", "__private"),
        ("already_snake", "already_snake"),
    ],
)
def test_snake_case(class_name, expected):
    assert snake_case(class_name) == expected


@given(IDENTIFIERS)
def test_snake_case_gives_a_lower_case_identifier(class_name):
    name = snake_case(class_name)
    assert name.isidentifier()
    assert name == name.lower()
    assert name.replace("_", "") == class_name.replace("_", "").lower()


def test_method_suffix():
    assert method_suffix("__call__") == ""
    assert method_suffix("__init__") == "/~"
    assert method_suffix("encode") == "/~encode"


def claim_all(*names):
    register = NameRegister()
    return [register.claim(name) for name in names]


def test_names_are_numbered_in_order():
    assert claim_all("l", "l", "m", "l") == ["l", "l_1", "m", "l_2"]


def test_a_numbered_name_moves_the_count_past_it():
    assert claim_all("l_1", "l", "l") == ["l_1", "l_2", "l_3"]
    assert claim_all("l_0", "l") == ["l_0", "l_1"]
    assert claim_all("l", "l_100", "l") == ["l", "l_100", "l_101"]
    assert claim_all("l_2", "l_1", "l") == ["l_2", "l_1", "l_3"]


def test_a_number_with_leading_zeros_is_part_of_the_name():
    assert claim_all("l_01", "l_01", "l") == ["l_01", "l_01_1", "l"]


def test_a_taken_numbered_name_is_refused():
    with pytest.raises(ValueError, match=r"module name 'l_1' is taken in this scope already, expected a name that is"):
        claim_all("l_1", "l_1")
    with pytest.raises(ValueError, match=r"'l_1' is taken"):
        claim_all("l", "l", "l_1")


@given(st.lists(st.sampled_from(["l", "l_1", "l_7", "m", "l_01", "l__1"]), max_size=12))
def test_claimed_names_never_repeat(names):
    register = NameRegister()
    claimed = []
    for name in names:
        try:
            claimed.append(register.claim(name))
        except ValueError:
            assert name in claimed  # Only a name that is truly taken is refused.
    assert len(set(claimed)) == len(claimed)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "1a", "a-b", "~"])
def test_a_name_that_is_no_identifier_is_refused(name):
    message = f"Linear: name is {name!r}, expected a Python identifier"
    with pytest.raises(ValueError, match=re.escape(message)):
        check_module_name(name, "Linear")


def test_a_name_that_is_no_string_is_refused():
    with pytest.raises(TypeError, match=r"MyLayer: name is 3 of type int, expected a string or None.*name='my_layer'"):
        check_module_name(3, "MyLayer")
