"""Scripts of a header: what it declares and what its texts are written in; the rest is unknown."""

# ruff: noqa: RUF001 - letters that look like ASCII are what this is about
import codecs
import unicodedata

import pydicom.charset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.imaging.scripts import codec, written_in

WESTERN = ["ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 148", "ISO_IR 192", "ISO_IR 203"]
LATIN = [
    ("ISO_IR 100", "Émilie^Noël", "D'Artagnan^Éloïse", "façade à côté"),
    ("ISO_IR 100", "Müller^Jürgen", "Öztürk^Özgül", "Größenänderung der Läsion 20°-40°, 3 µm², «ja»", "Ö"),
    ("ISO_IR 100", "Þór^Sæþór", "Guðmundsdóttir^Þórdís", "Ásþór^Ýr", "Þóra^Ölöf", "Æðey", "Åse^Ås"),
    ("ISO_IR 100", "Conceição^João", "Função", "Muñoz^Íñigo", "Óðinn^Þ. Ö.", "Þórð", "20°-40°"),
    ("ISO_IR 148", "Şükrü^Güçlü", "Işık^Çağrı", "Öğütçü^Ömür", "Ağaoğlu^Çiğdem", "Öğünç^Gümüş"),
    ("ISO_IR 101", "Łoś^Śląża", "Brzęczyszczykiewicz^Łukasz", "Łódź^Źdźbło", "Dvořák^Říčař", "Őr^Új"),
    ("ISO_IR 110", "Bērziņš^Jānis", "Žemaitis^Šarūnas", "Õunapuu^Ülo"),
    ("ISO_IR 203", "Šulc^Žofie", "Bœuf^Cœur", "20 €"),
    ("ISO_IR 192", "Đỗ^Đức", "Nguyễn^Thị Ngọc Ánh", "Võ^Mỹ", "Lý^Ý", "Trần Hữu Phước", "Ưng^Ấu"),
    ("ISO_IR 192", "Şükrü^Öğünç", "Żółć^Łódź", "Þór^Ægir", "“quoted” – 5 µm ≤ 10 mm…", "Kaʻahumanu", "ﬁn"),
    ("ISO_IR 192", unicodedata.normalize("NFD", "Müller^Đỗ^Çağrı"), "\ufeffsoft\xadhyphen"),
]  # fmt: skip
OTHER = {
    "cp1251": ["Иванов^Пётр", "Лев", "Ким^Яна"],
    "koi8_r": ["Иванов^Пётр", "Лев", "Ким^Яна"],
    "cp1253": ["Παπαδόπουλος^Ζωή", "Ηώ"],
    "cp1255": ["כהן^דוד", "לוי", "בן"],
    "cp1256": ["فاطمة^المنصوري", "علي^عمر"],
    "iso8859_5": ["Иванов^Пётр"],
    "tis_620": ["สมชาย^ใจดี"],
    "gbk": ["王^小东", "李^娜"],
    "euc_kr": ["김^민준", "이"],
    "big5": ["王^小明", "王小明"],
    "shift_jis": ["山田^太郎", "ﾔﾏﾀﾞ^ﾀﾛｳ"],
}
SAMPLES = {
    "greek": "Παπαδόπουλος", "cyrillic": "Щербакова", "arabic": "المنصوري", "hebrew": "כהן", "thai": "สมชาย",
    "devanagari": "शर्मा", "bengali": "শর্মা", "georgian": "ბერიძე", "armenian": "Պետրոսյան", "tamil": "தமிழ்",
    "cjk": "山田김ヤマ", "ethiopic": "አበበ", "khmer": "សុខ", "myanmar": "အောင်",
}  # fmt: skip


@pytest.mark.parametrize(
    ("sets", "texts", "scripts"),
    [
        (["ISO_IR 100"], ["Müller^Jürgen", "O'Brannagh"], ()),
        (["ISO_IR 192"], ["Иванов^Пётр"], ("cyrillic",)),
        (["ISO_IR 144"], ["IVANOV^PETR"], ("cyrillic",)),  # a device that is set up for it may burn it in
        (["", "ISO 2022 IR 87"], ["Yamada^Tarou=山田^太郎=やまだ^たろう"], ("cjk",)),
        (["ISO 2022 IR 6", "ISO 2022 IR 149"], ["Hong^Gildong"], ("cjk",)),
        (["gb18030"], ["Wang^XiaoDong=王^小东"], ("cjk",)),
        (["ISO_IR 192"], ["김^민준「」、"], ("cjk",)),
        (["ISO_IR 192"], ["فاطمة^المنصوري", "Παπαδόπουλος"], ("arabic", "greek")),
        (["ISO_IR 138"], [], ("hebrew",)),
        (["ISO_IR 192"], ["தமிழ்"], ("tamil",)),  # no detector was measured with it: never proved
        ([], ["4711 ^=.-"], ()),
    ],
)
def test_what_a_header_is_written_in(sets, texts, scripts):
    assert written_in(sets, texts) == scripts


@pytest.mark.parametrize("term", [*pydicom.charset.python_encoding, "ISO_IR 203", "ISO 2022 IR 203"])
def test_every_defined_term_is_known(term):
    assert "unknown" not in written_in([term], ["DOE^JANE"])
    if term in pydicom.charset.python_encoding and term not in ("", "ISO_IR 6", "ISO 2022 IR 6"):
        assert codecs.lookup(codec(term)) == codecs.lookup(pydicom.charset.python_encoding[term])


@pytest.mark.parametrize(
    "term", ["GB2312", "CP1251", "ISO_IR 999", "ISO 8859-5", "UTF-8", "ISO_IR", "?", "ИР"]
)
def test_a_term_that_is_not_recognised_is_unknown(term):
    assert written_in([term], ["DOE^JANE"]) == ("unknown",)
    assert "unknown" in written_in(["ISO_IR 100", term], [])
    assert codec(term) == "ascii"


@pytest.mark.parametrize(
    "term", ["ISO-IR 144", "iso_ir 144", "ISO IR 144 ", "ISO_IR_144", "ISO-2022-IR-144\0"]
)
def test_a_term_whose_meaning_is_plain_is_taken_for_it(term):
    assert written_in([term], []) == ("cyrillic",)


@pytest.mark.parametrize(
    "text",
    ["M\ufffdller", "a\x85b", "a\x1b$B", "a\x0eb", "q\u0308x", "\ue000", "\ud800", "\u202eabc",
     "\U0001d400", "Ⅱ", "\u0378"],
)  # fmt: skip
def test_what_cannot_be_understood_is_unknown(text):
    assert written_in(["ISO_IR 192"], [text]) == ("unknown",)


@pytest.mark.parametrize("sets", [[], [""], ["ISO_IR 6"], ["ISO 2022 IR 6"]])
def test_letters_beyond_the_default_repertoire_are_in_nobody_knows_which_code(sets):
    assert written_in(sets, ["Muller"]) == ()
    assert written_in(sets, ["Müller"]) == ("unknown",)


@pytest.mark.parametrize(
    ("digit", "script"), [("٣", "arabic"), ("۳", "arabic"), ("५", "devanagari"), ("๓", "thai"), ("３", "cjk")]
)  # fmt: skip
def test_digits_and_punctuation_tell_a_script_as_letters_do(digit, script):
    assert written_in(["ISO_IR 192"], [f"1{digit}2"]) == (script,)
    assert written_in(["ISO_IR 192"], ["a،b", "ก๏"]) == ("arabic", "thai")


@pytest.mark.parametrize(("term", "texts"), [(term, texts) for term, *texts in LATIN])
def test_european_and_vietnamese_names_are_latin(term, texts):
    for text in texts:
        assert text.encode(codec(term)).decode(codec(term)) == text
        assert written_in([term], [text]) == (), text
        assert written_in(["ISO_IR 192"], [text]) == () or term != "ISO_IR 100", text
    assert written_in([term], texts) == ()


@pytest.mark.parametrize(("code", "name"), [(code, name) for code, names in OTHER.items() for name in names])
def test_another_code_under_a_western_name_is_unknown(code, name):
    misread = name.encode(code).decode("latin_1")
    assert "unknown" in written_in(["ISO_IR 100"], [misread])
    assert "unknown" in written_in(["ISO_IR 100"], ["DOE^JANE", f"IVANOV^PETR={misread}"])
    assert "unknown" in written_in(["ISO_IR 192"], [misread])  # converted by a gateway that believed the term


def test_initials_are_told_where_nothing_else_stands_beside_them():
    misread = "Щ^Я".encode("cp1251").decode("latin_1")
    assert written_in(["ISO_IR 100"], [misread]) == ("unknown",)
    assert written_in(["ISO_IR 144"], ["Щ^Я"]) == ("cyrillic",)


@pytest.mark.parametrize("code", ["cp1251", "cp1253", "koi8_r"])
@pytest.mark.parametrize("term", [term for term in WESTERN if term != "ISO_IR 192"])
def test_no_western_set_hides_another_code(code, term):
    assert "unknown" in written_in([term], [OTHER[code][0].encode(code).decode(codec(term), "replace")])


@pytest.mark.parametrize(("script", "sample"), SAMPLES.items())
@pytest.mark.parametrize("term", ["ISO_IR 100", "ISO_IR 101", "ISO_IR 148", "ISO_IR 192"])
def test_utf_8_that_was_read_as_a_single_byte_set_names_its_script(script, sample, term):
    read = "latin_1" if term == "ISO_IR 192" else codec(term)
    assert script in written_in([term], [f"name {sample} name".encode().decode(read)])


@given(st.lists(st.text()), st.lists(st.text(st.characters())))
def test_any_header_has_an_answer_that_names_no_letter(sets, texts):
    found = written_in(sets, texts)
    assert list(found) == sorted(set(found))
    assert all(name.isascii() and name == name.lower() for name in found)


@given(st.sampled_from(sorted(SAMPLES)), st.data(), st.text(), st.text())
def test_one_letter_names_its_script_whatever_stands_around_it(script, data, before, after):
    letter = data.draw(st.sampled_from([letter for letter in SAMPLES[script] if letter.isalpha()]))
    assert script in written_in(["ISO_IR 192"], [f"{before}\n{letter}\n{after}"])


@given(
    st.lists(st.sampled_from([*WESTERN, "", "ISO_IR 6", "ISO 2022 IR 100", "ISO 2022 IR 101"])),
    st.lists(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))),
)
def test_printable_ascii_under_western_terms_is_latin(sets, texts):
    assert written_in(sets, texts) == ()


def test_a_letter_of_each_other_script_is_told_from_latin():
    for code in (*range(0x370, 0x1D00, 7), 0x3042, 0x4E00, 0xAC00, 0xFF76):
        letter = chr(code)
        if letter.isalpha():
            assert written_in(["ISO_IR 192"], [letter]), f"{code:#x}"
