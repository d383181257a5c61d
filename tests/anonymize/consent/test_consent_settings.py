"""Consent in the settings: what is missing is said, with what to write."""

from __future__ import annotations

import pytest

from edge.settings import SettingsError, parse

CAMERA = '[[source]]\nname = "bedside"\nlooks_at = "scene"\nwhole_scene = true\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CAMERA + 'consent = "signage"\n', 'expected consent_by = "who settled it'),
        (CAMERA + 'consent = "no_patient"\nconsent_by = "office"\n', 'expected looks_at = "film"'),
        (CAMERA + 'consent = "switch"\nconsent_by = "office"\n', "expected [privacy_switch] with kind ="),
        (CAMERA + 'consent = "yes"\n', "source.consent: expected 'none', 'no_patient'"),
        ('[privacy_switch]\nopen_after = "10 ms"\n', "privacy_switch.open_after: expected"),
    ],
)
def test_what_is_missing_for_consent_is_said(text, expected):
    with pytest.raises(SettingsError, match=r"edge\.toml:") as caught:
        parse(text)
    assert expected in str(caught.value)


def test_a_camera_without_consent_is_named_with_what_to_write():
    (said,) = parse(CAMERA).blind_sources()
    assert "bedside stays blind" in said
    assert 'consent = "signage"' in said
    assert "consent_by" in said
    told = 'consent = "switch"\nconsent_by = "office"\n'
    switch = '[privacy_switch]\nkind = "file"\n'
    assert parse(switch + CAMERA + told).blind_sources() == []


def test_the_switch_is_part_of_the_settings_that_receipts_name():
    assert (
        parse("").anonymization_digest() != parse('[privacy_switch]\nkind = "file"\n').anonymization_digest()
    )
