"""Seeds derived by name."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from veracity.jobs.seeds import rng_for, seed_for

name = st.text(st.characters(exclude_characters="\x1f", codec="utf-8"), max_size=8)
names = st.lists(name, max_size=4)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0,), 3456079177858693020),
        ((0, "lime", "05-dance", "412"), 5694657452968021803),
        ((7, "training", "stra\u00dfe"), 1986762487868215412),
    ],
)
def test_seeds_are_the_same_on_every_machine_and_in_every_version(arguments, expected):
    assert seed_for(*arguments) == expected


def test_random_numbers_are_those_of_numpy_s_default_generator_of_that_seed():
    expected = np.random.default_rng(seed_for(3, "a", 1)).random(5)
    np.testing.assert_array_equal(rng_for(3, "a", 1).random(5), expected)


def test_a_generator_is_asked_for_anew_each_time():
    assert rng_for(0, "a").random() == rng_for(0, "a").random()
    assert rng_for(0, "a").random() != rng_for(0, "b").random()
    assert rng_for(0, "a").random() != rng_for(1, "a").random()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        (("a", "b"), ("ab",)),
        (("a", ""), ("a",)),
        (("", "a"), ("a", "")),
        ((), ("",)),
        (("a", "b"), ("b", "a")),
        (("a b",), ("a", "b")),
        (("a,b",), ("a", "b")),
        ((1, 11), (11, 1)),
    ],
)
def test_names_are_not_just_concatenated(one, other):
    assert seed_for(0, *one) != seed_for(0, *other)


def test_the_seed_of_the_run_is_not_just_prefixed():
    assert seed_for(1, "2x") != seed_for(12, "x")
    assert seed_for(1, 2) != seed_for(12)


@given(st.integers(0, 2**40), names, st.integers(0, 2**40), names)
def test_different_names_give_different_seeds(seed, some, other_seed, others):
    assert (seed_for(seed, *some) == seed_for(other_seed, *others)) == ((seed, some) == (other_seed, others))


@given(st.integers(0, 2**70), names)
def test_seeds_suit_numpy_and_torch(seed, some):
    derived = seed_for(seed, *some)
    assert 0 <= derived < 2**63
    torch.Generator().manual_seed(derived)


def test_numbers_and_their_digits_are_the_same_name():
    assert seed_for(0, "excerpt", 412) == seed_for(0, "excerpt", "412")


def test_many_names_do_not_collide():
    seeds = {seed_for(0, stage, i) for stage, i in itertools.product(["lime", "audit", "attack"], range(5000))}
    assert len(seeds) == 15000
