"""Small files that others may have written: whatever is in them, whoever reads them goes on."""

import os
import random
from contextlib import suppress

import pytest

from emberkeep import InvalidSetting
from emberkeep import settings as settings_module
from emberkeep.lease import record
from emberkeep.sharing.outage import Outages, all_outages
from emberkeep.store.counts import read_totals
from emberkeep.trust.signatures import is_revoked_by, read_key
from emberkeep.trust.trust_list import TrustList

SEEDS = (
    b"a" * 32 + b" " + b"b" * 64 + b" " + b"0" * 16 + b"\n",
    b"emberkeep revocation 1\n" + b"a" * 64 + b"\n" + b"b" * 128 + b"\n",
    b"hit\ttables\tlocal\t1\t2.0\n",
    b"emberkeep outage 1\n3\nthe shared folder /mnt/x\nno answer\n",
    b'{"version":1,"keys":{"%b":{"name":"x","namespaces":["*"],"expires":1.5,"added":0}},"revoked":'
    b'{"keys":{},"manifests":{"a":"b"},"toolchains":{}},"pinned":{"c":"d"}}' % (b"a" * 64),
    b'{"version":1,"public":"%b","private":"%b","made_at":0.0}' % (b"a" * 64, b"b" * 64),
    b'max_size = "5GB"\nshared = ["/mnt/keep?policy=warn"]\n',
)
ODD = (
    *(b"\xff\xfe", b"\0", b"\n", b"\t", "٣".encode(), b"1e400", b"nan", b"-1", b"9" * 5000),
    *(b"[" * 2000, b'{"a":' * 2000, b"\xed\xa0\x80", b'"', b"null", b"true", b"{}", b"\r"),
)


def mutated(chance):
    content = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(content) + 1)
        action = chance.randrange(5)
        if action == 0 and content:
            content[place % len(content)] = chance.randrange(256)
        elif action == 1:
            content[place:place] = bytes([chance.randrange(256)]) * chance.randrange(1, 5000)
        elif action == 2:
            del content[place : place + chance.randrange(1, 40)]
        elif action == 3:
            content[place:place] = chance.choice(ODD)
        else:
            content = content + content[:2000]
    return bytes(content)


@pytest.mark.parametrize("count", [150, pytest.param(6000, marks=pytest.mark.soak)])
def test_whatever_a_small_file_holds_its_reader_goes_on(tmp_path, home, count, report):
    chance = random.Random(count)
    config = home / "config"
    config.mkdir()
    (tmp_path / "statistics").mkdir()
    outages = Outages(str(tmp_path), "the shared folder /mnt/x")
    outages.note(1, "no answer")
    (outage,) = [found.path for found in all_outages(str(tmp_path))]
    key, trust = config / "odd.key", config / "trust.json"
    told, refused = [], 0
    for _ in range(count):
        content = mutated(chance)
        for path in (outage, tmp_path / "statistics" / "1.tsv", config / "config.toml", key, trust):
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, 0o600)
        record.parse(content)
        assert not is_revoked_by(content, "a" * 64)
        outages.known()
        for number, seconds in read_totals(str(tmp_path)).values():
            assert number >= 0
            assert abs(seconds) < 1e20
        TrustList(str(config), told.append).current()
        with suppress(ValueError):
            read_key(str(key))
        try:
            settings_module.load({})
        except InvalidSetting:
            refused += 1
    assert refused
    assert all(len(text) < 1000 for text in told)
    report(files=count, refused_settings=refused, refused_trust=len(told))
