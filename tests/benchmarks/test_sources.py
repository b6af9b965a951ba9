from __future__ import annotations

import hashlib
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from evenrank.benchmarks.sources import SourceFile, fetch
from evenrank.errors import ChecksumError, ConfigError, DataError

BODY = "Schnee ist weiß.\n".encode() * 20_000
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def file(publisher):
    """A file that is offered as its checksum says."""
    publisher.files["/snow.txt"] = BODY
    sha256 = hashlib.sha256(BODY).hexdigest()
    return SourceFile("snow/de.txt", publisher.url("/snow.txt"), sha256, len(BODY))


def left_in(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_missing_file_is_downloaded_once(file, cache, publisher, capsys):
    expected = {"snow/de.txt": cache / "snow" / "de.txt"}
    assert fetch([file]) == expected
    assert (cache / "snow" / "de.txt").read_bytes() == BODY
    assert "Downloading snow/de.txt: 360.0 kB" in capsys.readouterr().err
    assert fetch([file]) == expected
    assert publisher.requested == ["/snow.txt"]
    assert left_in(cache) == [cache / "snow" / "de.txt"]


def test_threads_that_need_the_same_file_download_it_once(file, cache, publisher):
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: fetch([file]), range(4)))
    assert found == [{"snow/de.txt": cache / "snow" / "de.txt"}] * 4
    assert publisher.requested == ["/snow.txt"]


def test_the_users_own_copy_comes_first(file, own_data, publisher):
    (own_data / "snow").mkdir()
    (own_data / "snow" / "de.txt").write_bytes(BODY)
    assert fetch([file]) == {"snow/de.txt": own_data / "snow" / "de.txt"}
    assert publisher.requested == []


def test_what_the_user_lacks_is_downloaded(file, own_data, tmp_path):
    cached = tmp_path / "cache" / "benchmarks" / "snow" / "de.txt"
    assert fetch([file]) == {"snow/de.txt": cached}
    assert left_in(own_data) == []


def test_another_file_at_the_publisher(file, cache, publisher):
    publisher.files["/snow.txt"] = BODY[:-1] + b"!"
    with pytest.raises(
        ChecksumError, match=r"snow.txt: found SHA-256 .*, expected SHA-256 "
    ) as met:
        fetch([file])
    assert file.sha256 in str(met.value)
    assert hashlib.sha256(publisher.files["/snow.txt"]).hexdigest() in str(met.value)
    assert left_in(cache) == []


def test_a_connection_cut_short_leaves_nothing(file, cache, publisher):
    publisher.files["/snow.txt"] = BODY[:1000]
    publisher.announced["/snow.txt"] = len(BODY)
    with pytest.raises(DataError, match=r"no complete download \(.*peer closed connection"):
        fetch([file])
    assert left_in(cache) == []


def test_more_than_the_publishers_file_is_not_stored(file, cache, publisher):
    publisher.files["/snow.txt"] = BODY * 30
    with pytest.raises(ChecksumError, match="report it") as met:
        fetch([file])
    stored = int(met.value.found.split()[-2].replace(",", ""))
    assert len(BODY) < stored <= len(BODY) + (1 << 16)
    assert left_in(cache) == []


def test_a_file_that_the_publisher_has_no_longer(file, cache, publisher):
    publisher.files.clear()
    with pytest.raises(DataError, match=r"no complete download \(status 404\)") as met:
        fetch([file])
    assert "Traceback" in (shown := "".join(traceback.format_exception(met.value)))
    assert shown.count("Traceback") == 1  # without those of the network
    assert left_in(cache) == []


def test_offline_the_message_tells_where_to_put_the_file(cache):
    nobody = SourceFile("snow/de.txt", "http://127.0.0.1:1/snow.txt", "0" * 64, 12)
    with pytest.raises(DataError) as met:
        fetch([nobody])
    assert met.value.place == "http://127.0.0.1:1/snow.txt"
    assert "save the file as FOLDER/snow/de.txt and set EVENRANK_DATA=FOLDER" in met.value.remedy
    assert met.value.__context__ is None  # no chain of tracebacks of the network library


def test_a_changed_file_of_the_user(file, own_data):
    path = own_data / "snow" / "de.txt"
    path.parent.mkdir()
    path.write_bytes(b"rain")
    with pytest.raises(ChecksumError, match=r"of 4 bytes, expected SHA-256 .*360,000") as met:
        fetch([file])
    assert met.value.place == str(path)
    assert met.value.remedy == f"Replace it with {file.url}, or unset EVENRANK_DATA"


def test_a_changed_file_in_the_cache(file, cache):
    path = cache / "snow" / "de.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"rain")
    with pytest.raises(ChecksumError, match="Delete it") as met:
        fetch([file])
    assert met.value.place == str(path)


def test_a_data_folder_that_is_none(file, own_data, monkeypatch):
    monkeypatch.setenv("EVENRANK_DATA", str(own_data / "nowhere"))
    with pytest.raises(ConfigError, match=r"EVENRANK_DATA: found '.*nowhere', expected a folder"):
        fetch([file])
