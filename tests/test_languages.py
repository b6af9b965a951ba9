"""Language codes: many spellings, one tag; and every language of the sets that people have."""

from __future__ import annotations

import pytest
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis import strategies as st

from evenrank.errors import ConfigError, DataError
from evenrank.languages import (
    is_right_to_left,
    language_name,
    normalise,
    parse_languages,
    script_of,
)

FLORES_200 = """
ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn als_Latn amh_Ethi apc_Arab
arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn
bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva bjn_Arab bjn_Latn bod_Tibt bos_Latn
bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab crh_Latn cym_Latn dan_Latn deu_Latn
dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn eus_Latn ewe_Latn fao_Latn fij_Latn
fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn gaz_Latn gla_Latn gle_Latn glg_Latn grn_Latn guj_Gujr
hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn
isl_Latn ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor
kaz_Cyrl kbp_Latn kea_Latn khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn knc_Arab
knc_Latn kon_Latn kor_Hang lao_Laoo lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn
lua_Latn lug_Latn luo_Latn lus_Latn lvs_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Arab min_Latn
mkd_Cyrl mlt_Latn mni_Beng mos_Latn mri_Latn mya_Mymr nld_Latn nno_Latn nob_Latn npi_Deva nso_Latn
nus_Latn nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab pes_Arab plt_Latn pol_Latn
por_Latn prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Olck scn_Latn shn_Mymr
sin_Sinh slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srd_Latn srp_Cyrl
ssw_Latn sun_Latn swe_Latn swh_Latn szl_Latn tam_Taml taq_Latn taq_Tfng tat_Cyrl tel_Telu tgk_Cyrl
tgl_Latn tha_Thai tir_Ethi tpi_Latn tsn_Latn tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng
uig_Arab ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn ydd_Hebr
yor_Latn yue_Hant zho_Hans zho_Hant zsm_Latn zul_Latn
"""
NTREX_128 = """
afr amh arb aze-Latn bak bel bem ben bod bos bul cat ces ckb-Arab cym dan deu div dzo ell eng
eng-GB eng-IN eng-US est eus ewe fao fas fij fil fin fra fra-CA fuc gle glg guj hau heb hin hmn
hrv hun hye ibo ind isl ita jpn kan kat kaz khm kin kir kmr kor lao lav lit ltz mal mar mey mkd
mlg mlt mon mri msa mya nde nep nld nno nob nso nya orm pan pol por por-BR prs pus ron rus shi sin
slk slv smo sna-Latn snd-Arab som spa spa-MX sqi srp-Cyrl srp-Latn ssw swa swe tah tam tat tel
tgk-Cyrl tha tir ton tsn tuk tur uig ukr urd uzb ven vie wol xho yor yue zho-CN zho-TW zul
"""
TICO_19 = """
amh ara ben eng fas fra hau hin ind kau khm kin kur lin lug mar msa mya nep orm por_BR pus rus som
spa_LA swa tam tgl tir urd zho zul
"""
MIRACL = "ar bn de en es fa fi fr hi id ja ko ru sw te th yo zh"
MMARCO = "ar de dt en es fr hi id it ja pt ru vi zh"
MMARCO_NAMES = """
arabic german dutch english spanish french hindi indonesian italian japanese portuguese russian
vietnamese chinese
"""
MKQA = "ar da de en es fi fr he hu it ja km ko ms nl no pl pt ru sv th tr vi zh_cn zh_hk zh_tw"
XQUAD_R = "ar de el en es hi ru th tr vi zh"
SETS = {
    "FLORES-200": (FLORES_200, 204),
    "NTREX-128": (NTREX_128, 128),
    "TICO-19": (TICO_19, 32),
    "MIRACL": (MIRACL, 18),
    "mMARCO": (MMARCO, 14),
    "mMARCO's file names": (MMARCO_NAMES, 14),
    "MKQA": (MKQA, 26),
    "XQuAD-R": (XQUAD_R, 11),
}


def is_language(code: str) -> bool:
    try:
        return bool(normalise(code))
    except DataError:
        return False


@pytest.mark.parametrize("name", SETS)
def test_every_language_of_a_set_stays_a_language_of_its_own(name):
    codes, size = SETS[name]
    tags = list(map(normalise, codes.split()))
    assert len(tags) == len(set(tags)) == size
    assert [normalise(tag) for tag in tags] == tags


def test_sets_agree_on_what_they_have_in_common():
    flores = set(map(normalise, FLORES_200.split()))
    others = set(map(normalise, f"{MIRACL} {MMARCO} {XQUAD_R}".split()))
    assert others <= flores
    assert set(map(normalise, MMARCO.split())) == set(map(normalise, MMARCO_NAMES.split()))


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("zh_cn", "zh"),
        ("zho_Hans", "zh"),
        ("cmn", "zh"),
        ("zh-Hans-CN", "zh"),
        ("zho_Hant", "zh-TW"),
        ("zh-HK", "zh-HK"),
        ("EN", "en"),
        ("en-US", "en-US"),
        ("en_GB", "en-GB"),
        ("eng_Latn", "en"),
        ("en_bt", "en-BT"),
        ("deu", "de"),
        ("ger", "de"),
        ("German", "de"),
        ("arb_Arab", "ar"),
        ("arb_Latn", "ar-Latn"),
        ("acm_Arab", "acm"),
        ("ell", "el"),
        ("kor_Hang", "ko"),
        ("srp_Cyrl", "sr"),
        ("sr_RS", "sr"),
        ("sr-Latn", "sr-Latn"),
        ("pt", "pt"),
        ("pt-BR", "pt-BR"),
        ("pt-PT", "pt-PT"),
        ("iw", "he"),
        ("swh", "sw"),
        ("aka", "ak"),
        ("twi", "tw"),
        ("prs", "fa-AF"),
        ("dt", "nl"),
    ],
)
def test_spellings_meet_in_one_tag(code, tag):
    assert normalise(code) == tag


@pytest.mark.parametrize(
    "code", ["", " ", "klingonese", "123", "en de", "x" * 100, "../en", "en/.."]
)
def test_what_is_not_a_language_is_refused_with_its_place(code):
    with pytest.raises(DataError) as caught:
        normalise(code, "corpus.jsonl:3")
    assert caught.value.place == "corpus.jsonl:3"
    assert repr(code) in caught.value.found


def test_a_normalised_tag_stays_as_it_is():
    known = [identifier for identifier in locale_identifiers() if is_language(identifier)]
    assert len(known) > 1000
    for identifier in known:
        tag = normalise(identifier)
        assert normalise(tag) == normalise(tag.replace("-", "_").upper()) == tag


@given(st.text(max_size=12))
def test_any_text_is_a_safe_tag_or_an_error(text):
    try:
        tag = normalise(text)
    except DataError:
        return
    assert set(tag) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


def test_a_list_of_languages_may_be_one_text():
    for languages in ("de,en", ["de", "en"], ["de,en"], " deu , en,", ("de", "eng", "de")):
        assert parse_languages(languages) == ["de", "en"]
    for nothing in ("", ",", [], [" "]):
        with pytest.raises(ConfigError, match="expected at least one"):
            parse_languages(nothing)
    with pytest.raises(DataError, match="--languages: found language code 'x y'"):
        parse_languages("de,x y", "--languages")


def test_names_are_english_and_unknown_codes_stay():
    assert language_name("sv") == "Swedish"
    assert language_name("ar-Latn") == "Arabic (Latin)"
    assert language_name("qqq-nothing") == "qqq-nothing"


def test_direction_follows_the_script():
    codes = {code: normalise(code) for code in [*FLORES_200.split(), *NTREX_128.split()]}
    arabic = {code for code in FLORES_200.split() if code.endswith("_Arab")}
    hebrew = {"heb_Hebr", "ydd_Hebr"}
    ntrex = {"arb", "ckb-Arab", "div", "fas", "heb", "prs", "pus", "snd-Arab", "uig", "urd"}
    written = {code for code, tag in codes.items() if is_right_to_left(tag)}
    assert written == arabic | hebrew | ntrex
    assert all(map(is_right_to_left, ["syr", "nqo", "ff-Adlm", "dv", "rhg", "ku-Arab", "pa-PK"]))
    assert not any(map(is_right_to_left, ["qqq", "", "not a code", "ar-Latn"]))


def test_the_script_of_a_normalised_code_is_the_one_that_flores_names():
    same = {"Hang": "Kore"}
    for code in FLORES_200.split():
        script = code.partition("_")[2]
        assert script_of(normalise(code)) == same.get(script, script), code
    assert script_of("qqq") == "Zzzz"
