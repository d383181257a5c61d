from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire.topics import TopicError, Topics, check_name, parse, site_filter

TOPICS = Topics("edge", "site", "box-1")
U = str(uuid.UUID(int=5))


@pytest.mark.parametrize(
    ("topic", "kind", "name", "part"),
    [
        (TOPICS.state, "state", "", ""),
        (TOPICS.caps, "caps", "", ""),
        (TOPICS.reported, "reported", "", ""),
        (TOPICS.desired, "desired", "", ""),
        (TOPICS.cmd(U), "cmd", U, ""),
        (TOPICS.status(U), "status", U, ""),
        (TOPICS.result("scanner"), "result", "scanner", ""),
        (TOPICS.ack("scanner"), "ack", "scanner", ""),
        (TOPICS.event("label"), "event", "label", ""),
        (TOPICS.tele("power"), "tele", "power", ""),
        (TOPICS.diag(U, 3), "diag", U, "3"),
    ],
)
def test_what_is_built_is_parsed(topic, kind, name, part):
    parsed = parse(topic)
    assert (parsed.kind, parsed.name, parsed.part) == (kind, name, part)
    assert (parsed.root, parsed.site, parsed.device) == ("edge", "site", "box-1")
    assert str(parsed) == topic


@pytest.mark.parametrize(
    "name", ["", "+", "#", "a/b", "a+", "#a", "A", " a", "a\n", "a\x00", "-a", "ä", "a" * 64]
)
def test_names_that_no_level_may_have(name):
    with pytest.raises(TopicError):
        check_name(name)
    with pytest.raises(TopicError):
        Topics("edge", "site", name)
    with pytest.raises(TopicError):
        TOPICS.result(name)


@given(st.text(max_size=80))
def test_parse_raises_one_error_only(text):
    try:
        topic = parse(text)
    except TopicError:
        return
    assert str(topic) == text


@pytest.mark.parametrize(
    "topic",
    [
        "edge/2/site/box-1/state",
        "edge/1/site/box-1/other",
        "edge/1/site/box-1/result",
        "edge/1/site/box-1/state/x",
        "edge/1/site/box-1/cmd/not-a-uuid",
        "edge/1/site/box-1/result/+",
        "edge/1//box-1/state",
        f"edge/1/site/box-1/diag/{U}/-1",
    ],
)
def test_topics_that_are_none_of_ours(topic):
    with pytest.raises(TopicError):
        parse(topic)


def test_filters():
    assert TOPICS.all_acks == "edge/1/site/box-1/ack/+"
    assert TOPICS.all_commands == "edge/1/site/box-1/cmd/+"
    assert site_filter("edge", "site", "result") == "edge/1/site/+/result/+"
    assert site_filter("edge", "site", "state") == "edge/1/site/+/state"
