"""Bodies of any number and size stay below the bound, and who has to give theirs up is fair."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.room import SMALL, Room, Upload

TOTAL = 10 * SMALL


def upload(known: bool = True) -> Upload:
    return Upload(known, lambda: None)


@pytest.fixture
def room() -> Room:
    return Room(lambda: TOTAL)


def test_who_fits_in_stays(room: Room) -> None:
    one, other = upload(), upload()
    assert [] == room.grow(one, 4 * SMALL) == room.grow(other, 5 * SMALL)
    assert 9 * SMALL == room.size_bytes


def test_the_largest_gives_up(room: Room) -> None:
    large, small = upload(), upload()
    room.grow(large, 9 * SMALL)
    assert [large] == room.grow(small, 2 * SMALL)
    assert 2 * SMALL == room.size_bytes


def test_the_largest_may_be_the_one_that_grows(room: Room) -> None:
    large, small = upload(), upload()
    room.grow(small, 2 * SMALL)
    assert [large] == room.grow(large, 9 * SMALL)


def test_what_has_come_whole_gives_up_nothing_and_a_small_one_still_finds_room(room: Room) -> None:
    whole, small, large = upload(), upload(), upload()
    room.grow(whole, TOTAL)
    room.complete(whole)
    assert [] == room.grow(small, SMALL // 2)
    assert [large] == room.grow(large, 2 * SMALL)
    room.leave(whole)
    room.leave(whole)
    assert SMALL // 2 == room.size_bytes


def test_those_that_nobody_knows_leave_most_of_the_room(room: Room) -> None:
    one, other, known = upload(known=False), upload(known=False), upload()
    assert [] == room.grow(one, 5 * SMALL)  # alone it may be as large as any
    assert [one] == room.grow(other, 2 * SMALL)
    assert [] == room.grow(known, 8 * SMALL)


def test_the_bound_may_change() -> None:
    total = TOTAL
    room, one = Room(lambda: total), upload()
    assert [] == room.grow(one, 9 * SMALL)
    total = SMALL
    assert [one] == room.grow(one, 1)


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["grow", "complete", "leave"]), st.integers(1, TOTAL))))
def test_whatever_comes_the_bound_holds_and_nothing_is_counted_twice(steps: list[tuple[int, str, int]]) -> None:
    room, uploads = Room(lambda: TOTAL), [upload(known=number % 2 == 0) for number in range(8)]
    complete: set[int] = set()
    for number, step, size in steps:
        chosen = uploads[number]
        if step == "grow" and number not in complete:
            dropped = room.grow(chosen, size)
            assert not any(each.size_bytes for each in dropped)
            assert not complete & {uploads.index(each) for each in dropped}
        elif step == "complete":
            room.complete(chosen)
            complete.add(number)
        elif step == "leave":
            room.leave(chosen)
        assert sum(each.size_bytes for each in uploads) == room.size_bytes <= TOTAL + TOTAL // 8
