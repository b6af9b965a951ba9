"""XQuAD-R: for each query of XQuAD, find the sentence with its answer in eleven languages.

Every query exists in every language and has one answer in each.
"""

from __future__ import annotations

from evenrank.benchmarks.benchmark import BENCHMARKS, Benchmark, BenchmarkLoader, Card
from evenrank.benchmarks.sources import SourceFile, fetch
from evenrank.benchmarks.squad import answer_benchmark, read_squad

CARD = Card(
    title="XQuAD-R: the sentence that answers the query, in 11 languages",
    source="https://github.com/google-research-datasets/lareqa",
    licence="CC BY-SA 4.0",
    citation="Roy et al. (2020). LAReQA: Language-agnostic answer retrieval from a multilingual "
    "pool. EMNLP 2020. arXiv:2004.05484. Text: Artetxe et al. (2020). On the cross-lingual "
    "transferability of monolingual representations. ACL 2020. arXiv:1910.11856.",
    note="1,190 queries in each language; 13,014 sentences, of which 11 are relevant for a query.",
)

_RELEASE = (
    "https://raw.githubusercontent.com/google-research-datasets/lareqa/"
    "9bc8c7fb6dd8d01d72a05a93c2cb96882b0d299c"
)
_RELEASED = {
    "ar": (2_234_875, "c52922d3b8ac1ae03ed5ac38647ad59870dca3dda2beefe18ecdc30729acb69d"),
    "de": (732_156, "16fb0f4bf4916154b585a20c24c66074591c9718a1affe764ff4697572328949"),
    "el": (2_810_127, "163fd43ee785a30eb534ae2061e9eaa766a7ee4e8ffce5e4b422480c150f64b6"),
    "en": (628_651, "7b0954f39297c27a31fef610f0883337dd2907fa8699151dc922afdd0fa12ffe"),
    "es": (746_335, "f8e836b2d91009c4363e04315f7ede363eedbbb49c67dda60de6c4aa782f58de"),
    "hi": (2_408_404, "ea45ba8ae4513d1533b222bebdc02a90bc319c055d3aeea68584a053d2e92872"),
    "ru": (2_764_904, "7f4dff853538b9a5fcc28c070b8bb983a5c5d190ac747b8e005a1ada9cab18f1"),
    "th": (2_618_544, "c3a041864c3a9fb0b4dd91cfdf99cf36b411b3e704c58a303c97bc6dc786cfe4"),
    "tr": (827_827, "f3e8c13002bbce154a4578f535f7533cb70f3da08840e6b62735935baec7bd94"),
    "vi": (1_132_303, "e35926bf5cc6fc6ecbdfca49467aabeb454f08d152d7818143a906bd31dde995"),
    "zh": (959_291, "80c2cde7b9c2fb134c303cbb52f2ba396ead9eb0014aec43993543d2ba9e93ed"),
}
FILES = {
    lang: SourceFile(f"xquad-r/{lang}.json", f"{_RELEASE}/xquad-r/{lang}.json", sha256, size)
    for lang, (size, sha256) in _RELEASED.items()
}
"""LAReQA's released file of each language: XQuAD with sentence boundaries."""


def load_xquad_r() -> Benchmark:
    """Load XQuAD-R, from LAReQA's own sentence boundaries.

    Raises:
        ChecksumError: A file is not the released one.
        DataError: A file is missing and cannot be downloaded.
    """
    paths = fetch(FILES.values())
    paragraphs = {
        lang: read_squad(paths[file.path].read_bytes(), str(paths[file.path]))
        for lang, file in FILES.items()
    }
    return answer_benchmark("xquad-r", CARD, paragraphs)


BENCHMARKS.register("xquad-r", BenchmarkLoader(CARD, load_xquad_r))
