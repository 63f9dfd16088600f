# SPDX-License-Identifier: Apache-2.0
"""gensim reads the vectors that partita writes, and finds the same neighbors.

  /usr/bin/python3 check_gensim.py PARTITA-COMMAND

Exit status 77 where gensim is not installed: the test is skipped.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

try:
    from gensim.models import KeyedVectors
except ImportError:
    print("skipped: python3-gensim is not installed")
    sys.exit(77)

partita = sys.argv[1]
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    draw = random.Random(1)
    topics = ["été", "鯨", "wal"]
    # A no-break and a thin space end words; a word of 300 bytes is longer than word2vec allows.
    text = ["10\u00a0000 5\u2009km " + "é" * 150 + " x"] * 5
    for _ in range(2000):
        topic = draw.choice(topics)
        text.append(" ".join(topic + str(draw.randrange(10)) for _ in range(12)))
    (folder / "corpus.txt").write_text("\n".join(text), encoding="utf8")
    for output in ["vectors.txt", "vectors.bin"]:
        path = str(folder / output)
        subprocess.run(
            [partita, "embed", "train", str(folder / "corpus.txt"), "-o", path, "--dim", "20",
             "--epochs", "3", "--sample", "0", "--threads", "1"],
            check=True, stderr=subprocess.DEVNULL)
        vectors = KeyedVectors.load_word2vec_format(path, binary=output.endswith("bin"))
        words = vectors.index_to_key
        assert len(words) == 36 and vectors.vector_size == 20, (output, words)
        assert {"10", "000", "5", "km", "é" * 150} <= set(words), output
        probes = ["été1", "鯨7", "wal3", "km"]
        ours = json.loads(subprocess.run(
            [partita, "embed", "nearest", path, *probes, "-k", "8", "--json"],
            check=True, capture_output=True).stdout)["nearest"]
        for word in probes:
            theirs = vectors.most_similar(word, topn=8)
            assert [n["word"] for n in ours[word]] == [w for w, _ in theirs], (output, word)
            for n, (_, cosine) in zip(ours[word], theirs):
                assert abs(n["cosine"] - cosine) < 1e-5, (output, word)
        # And what gensim writes, we read.
        again = str(folder / ("again" + output[-4:]))
        vectors.save_word2vec_format(again, binary=output.endswith("bin"))
        back = json.loads(subprocess.run(
            [partita, "embed", "nearest", again, *probes, "-k", "8", "--json"],
            check=True, capture_output=True).stdout)["nearest"]
        assert [n["word"] for n in back["km"]] == [n["word"] for n in ours["km"]], output
print("gensim agrees")
