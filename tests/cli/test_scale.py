"""What grows with a keep and what does not: counted in files opened, not in seconds."""

import os

import pytest


@pytest.fixture
def opened(monkeypatch):
    """Files and folders opened or listed, by number."""
    counts = {"open": 0, "scandir": 0, "stat": 0}
    for name in counts:
        original = getattr(os, name)

        def counted(*arguments, original=original, name=name, **keywords):
            counts[name] += 1
            return original(*arguments, **keywords)

        monkeypatch.setattr(os, name, counted)
    return counts


@pytest.fixture
def make_shop(shop, tmp_path, capsys):
    return lambda count: stock(type(shop)(tmp_path / str(count), capsys), count)


def stock(shop, count):
    for number in range(count):
        shop.build("lorenz" if not number else f"other{number % 9}", n=number)
    return shop


@pytest.mark.parametrize("words", [("show", "lorenz"), ("pin", "tables/lorenz")])
def test_what_is_named_is_found_without_looking_at_all(make_shop, opened, words):
    taken = []
    for count in (10, 100):
        shop = make_shop(count)
        opened.update(dict.fromkeys(opened, 0))
        assert shop.run(*words)[0] == 0
        taken.append(dict(opened))
    assert taken[0] == taken[1]


def test_a_second_listing_opens_no_manifest(make_shop, opened):
    taken = []
    for count in (80, 160):
        shop = make_shop(count)
        assert shop.run("ls")[0] == 0
        opened.update(dict.fromkeys(opened, 0))
        for words in (("ls",), ("status",), ("gc",)):
            assert shop.run(*words)[0] == 0
        taken.append(opened["open"])
    assert taken[1] - taken[0] < 40, "folders, not files"
