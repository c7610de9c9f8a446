"""Which memories count as the same, and that none is called so that tells something else."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.memory.duplicates import are_near, group_exact, group_near, words_of

SAME = [
    ("User likes green tea in the morning", "The user likes green tea, in the morning!"),
    ("In the morning, likes green tea", "likes green tea in the morning"),
    ("LIKES STRASSEN UND PLÄTZE", "likes straßen und plätze"),
    ("Works as a data engineer in Berlin", "Works as data engineer in Berlin now"),
    ("ユーザーは寿司が好きです", "ユーザーは寿司が好きです。"),
]
OTHER = [
    ("User likes green tea in the morning", "User likes black tea in the morning"),
    ("Ada has lived in a house in Paris since 2020", "Ada has lived in a house in Paris since 2021"),
    ("Ada eats fish with lemon and rice", "Ada eats not fish with lemon and rice"),
    ("Has worked for one company in all these years", "Has worked for one company in all these 12 years"),
    ("我喜欢喝咖啡和茶在早上", "我不喜欢喝咖啡和茶在早上"),
    ("Likes tea", "Likes tea and mountains"),
    ("Uses Python 3.1.1", "Uses Python 3.1.3"),
    ("User moved from Paris to Berlin", "User moved from Berlin to Paris"),
    ("User prefers tabs over spaces", "User prefers spaces over tabs"),
    ("Ann trusts the user", "The user trusts Ann"),
    ("User wants answers in English instead of German", "User wants answers in German instead of English"),
    ("", "!"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_in_other_words_is_near(one, other):
    assert are_near(words_of(one), words_of(other))
    assert are_near(words_of(other), words_of(one))


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_tells_something_else_is_not_near(one, other):
    assert not are_near(words_of(one), words_of(other))
    assert not are_near(words_of(other), words_of(one))


def test_groups_hold_the_positions_of_what_says_the_same():
    texts = ["Likes tea", "Lives in Rome", "likes  TEA", "Has a cat named Tom", "The user has a cat, named Tom"]
    assert group_exact(texts) == [[0, 2]]
    assert group_near(texts) == [[3, 4]]


WORDS = st.lists(st.sampled_from([*"bcdefghijklm", "not", "7"]), max_size=12).map(" ".join)


@given(st.lists(WORDS, max_size=12))
def test_groups_are_those_that_comparing_all_pairs_finds(texts):
    repeated = {position for group in group_exact(texts) for position in group[1:]}
    groups: list[set[int]] = []
    for one, other in itertools.combinations(range(len(texts)), 2):
        if not {one, other} & repeated and are_near(words_of(texts[one]), words_of(texts[other])):
            joined = [group for group in groups if group & {one, other}]
            groups = [group for group in groups if not group & {one, other}] + [set().union({one, other}, *joined)]
    assert group_near(texts) == sorted(sorted(group) for group in groups)
