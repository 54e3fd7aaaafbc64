"""Uploads of any number and size stay within the limit, and the largest one is dropped."""

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


def test_uploads_within_the_limit_stay(room: Room) -> None:
    one, other = upload(), upload()
    assert room.grow(one, 4 * SMALL) == []
    assert room.grow(other, 5 * SMALL) == []
    assert room.size_bytes == 9 * SMALL


def test_the_largest_upload_is_dropped(room: Room) -> None:
    large, small = upload(), upload()
    room.grow(large, 9 * SMALL)
    assert room.grow(small, 2 * SMALL) == [large]
    assert room.size_bytes == 2 * SMALL


def test_the_growing_upload_is_dropped_if_it_is_the_largest(room: Room) -> None:
    large, small = upload(), upload()
    room.grow(small, 2 * SMALL)
    assert room.grow(large, 9 * SMALL) == [large]


def test_a_complete_upload_is_never_dropped_and_a_small_one_still_fits(room: Room) -> None:
    whole, small, large = upload(), upload(), upload()
    room.grow(whole, TOTAL)
    room.complete(whole)
    assert room.grow(small, SMALL // 2) == []
    assert room.grow(large, 2 * SMALL) == [large]
    room.leave(whole)
    room.leave(whole)
    assert room.size_bytes == SMALL // 2


def test_unauthenticated_uploads_share_a_small_part_of_the_limit(room: Room) -> None:
    one, other, known = upload(known=False), upload(known=False), upload()
    assert room.grow(one, 5 * SMALL) == []  # alone it may be as large as any other
    assert room.grow(other, 2 * SMALL) == [one]
    assert room.grow(known, 8 * SMALL) == []


def test_the_limit_may_change() -> None:
    total = TOTAL
    room, one = Room(lambda: total), upload()
    assert room.grow(one, 9 * SMALL) == []
    total = SMALL
    assert room.grow(one, 1) == [one]


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["grow", "complete", "leave"]), st.integers(1, TOTAL))))
def test_the_limit_holds_and_nothing_is_counted_twice(steps: list[tuple[int, str, int]]) -> None:
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
