"""How much of the fetching of blobs hides behind their parsing, over a loopback as slow as a far account.

python -m bench.blobs [BLOBS] [MILLISECONDS] [MEGABYTES]     so many blobs of 4 MB, a latency, a speed per connection

Azurite serves the blobs through a relay in another process that waits before each answer and limits each connection.
Fetching alone is one blob after the other, as a loop would do it; parsing alone is the same blobs as files, first with
allowed entries counted only, then decoded too. Times depend on the machine; what counts are the ratios.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from fwlens import source
from fwlens.source.storage import Storage
from tests.azurite import Azurite, relayed, started

HERE = Path(__file__).parent


def relay(port: str, cert: str, delay: str, speed: str) -> None:
    """Stand before Azurite until standard input ends."""
    with relayed(Azurite(int(port), Path(cert))) as door:
        door.delay, door.speed = float(delay), float(speed)
        print(door.url, flush=True)
        sys.stdin.read()


def timed(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def fetch_one_by_one(url: str) -> None:
    with Storage(budget=0) as door:
        for place in door.inputs(door.listed(url)):
            assert place.fetch
            place.fetch()


def compare(url: str, folder: Path) -> None:
    fetching = timed(lambda: fetch_one_by_one(url))
    print(f"fetching one by one            {fetching:6.2f} s")
    for with_allowed in (False, True):
        reads: list[source.Flows] = []
        parsing = timed(lambda: reads.append(source.read([str(folder)], with_allowed=with_allowed)))  # noqa: B023
        both = timed(lambda: reads.append(source.read([url], with_allowed=with_allowed)))  # noqa: B023
        assert reads[0].ledger.rows_used == reads[1].ledger.rows_used > 0
        what = "allowed decoded" if with_allowed else "allowed counted"
        print(f"{what}: parsing files {parsing:6.2f} s, reading blobs {both:6.2f} s", end="; ")
        print(f"(fetching + parsing) / reading = {(fetching + parsing) / both:.1f}")


def main(count: int, milliseconds: int, megabytes: int) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place, "logs")
        folder.mkdir()
        subprocess.run([sys.executable, HERE / "generate.py", "blobs", place, str(32)], check=True)
        record = Path(place, "000.json").read_bytes()
        minutes = record[record.index(b"[") + 1 : -2].split(b',{"time"')
        share = len(minutes) // 8
        for number in range(count):
            some = minutes[number % 8 * share : number % 8 * share + share]
            whole = b',{"time"'.join(some)
            start = b"" if whole.startswith(b'{"time"') else b'{"time"'
            (folder / f"{number:03}.json").write_bytes(b'{"records":[' + start + whole + b"]}")
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        with started(Path(place)) as azurite, azurite.container("bench", files):
            words = ["--relay", str(azurite.port), str(azurite.cert), str(milliseconds / 1000), str(megabytes * 1e6)]
            command = [sys.executable, "-m", "bench.blobs", *words]
            with subprocess.Popen(command, cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as standing:
                assert standing.stdout
                url = standing.stdout.readline().decode().strip()
                size = sum(map(len, files.values())) / 1e6
                print(f"{len(files)} blobs, {size:.0f} MB, {milliseconds} ms, {megabytes} MB/s a connection")
                compare(f"{url}/bench", folder)
                standing.communicate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--relay"]:
        relay(*sys.argv[2:])
    else:
        given = [int(word) for word in sys.argv[1:]]
        main(*given, *(24, 50, 20)[len(given) :])
