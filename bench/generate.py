"""Make reproducible logs of a given size: skewed talkers, most traffic allowed, a few per cent denied.

python bench/generate.py blobs FOLDER MEGABYTES     VNet flow logs, one blob of 32 MB an interface and hour
python bench/generate.py lines FOLDER MEGABYTES     Azure Firewall logs as JSON Lines, files of 32 MB
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

START = datetime(2026, 11, 20, tzinfo=UTC)
PIECE = 32_000_000
SUBSCRIPTION = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/rg-ml/providers/Microsoft.Network"
HOSTS = ["pypi.org", "huggingface.co", "repo.anaconda.com", "registry-1.docker.io", "login.microsoftonline.com"]


def skewed(random: Random, count: int) -> int:
    """A number below `count`, small ones far more often."""
    return min(int(random.paretovariate(0.7)) - 1, count - 1)


def blob_records(random: Random, far: list[str]) -> Iterator[str]:
    """Minutes of one interface: groups of allowed tuples, and of a few denied ones."""
    clock = int(START.timestamp() * 1000)
    while True:
        groups = []
        for rule in ("DefaultRule_AllowInternetOutBound", "UserRule_Allow_443", "UserRule_DenyInternet"):
            denied = "Deny" in rule
            tuples = []
            for _ in range(random.randint(0, 20) if denied else random.randint(40, 250)):
                clock += random.randint(0, 90)
                source = f"10.20.{skewed(random, 4)}.{random.randint(4, 250)}"
                ports = f"{random.randint(1024, 65535)},{random.choice((443, 443, 443, 443, 80, 123, 5831, 22))}"
                ends = f"{clock},{source},{far[skewed(random, len(far))]},{ports},6,O"
                counters = (
                    "0,0,0,0"
                    if denied
                    else f"{random.randint(1, 90)},{random.randint(60, 90000)},9,{random.randint(60, 90000)}"
                )
                tuples.append(f"{ends},{'D' if denied else random.choice('BCE')},NX,{counters}")
            if tuples:
                groups.append({"rule": rule, "flowTuples": tuples})
        record = {
            "time": START.strftime("%Y-%m-%dT%H:%M:%S.0000000Z"),
            "flowLogVersion": 4,
            "flowLogGUID": "99999999-8888-7777-6666-555555555555",
            "macAddress": "000D3A112233",
            "category": "FlowLogFlowEvent",
            "flowLogResourceID": f"{SUBSCRIPTION}/networkWatchers/w/flowLogs/f".upper(),
            "targetResourceID": f"{SUBSCRIPTION}/virtualNetworks/vnet-ml",
            "operationName": "FlowLogFlowEvent",
            "flowRecords": {"flows": [{"aclID": f"{SUBSCRIPTION}/networkSecurityGroups/nsg-ml", "flowGroups": groups}]},
        }
        yield json.dumps(record, separators=(",", ":"))


def firewall_lines(random: Random, far: list[str]) -> Iterator[str]:
    """Network and application rule entries, one in twenty denied."""
    noise = [f"h{i}.example{i % 97}.org" for i in range(2000)]
    clock = START
    while True:
        clock += timedelta(milliseconds=random.randint(0, 200))
        denied = random.random() < 0.05
        named = "" if denied else "x"
        path = {"Policy": named, "RuleCollectionGroup": named, "RuleCollection": named, "Rule": named}
        verdict = {"Action": "Deny" if denied else "Allow", "ActionReason": "Default Action" if denied else "", **path}
        common = {
            "SourceIp": f"10.20.{skewed(random, 4)}.{random.randint(4, 250)}",
            "SourcePort": random.randint(1024, 65535),
        }
        if random.random() < 0.5:
            ends = {"DestinationIp": far[skewed(random, len(far))], "DestinationPort": 443}
            table, columns = "AZFWNetworkRule", {"Protocol": "TCP", **common, **ends, **verdict}
        else:
            host = random.choice(HOSTS) if random.random() < 0.2 else noise[skewed(random, len(noise))]
            extra = {"TargetUrl": "", "IsTlsInspected": False, "WebCategory": "", "IsExplicitProxyRequest": False}
            ends = {"DestinationPort": 443, "Fqdn": host}
            table, columns = "AZFWApplicationRule", {"Protocol": "HTTPS", **common, **ends, **verdict, **extra}
        resource = f"{SUBSCRIPTION}/azureFirewalls/fw-ml".upper()
        record = {"time": clock.isoformat(), "resourceId": resource, "properties": columns, "category": table}
        yield json.dumps(record, separators=(",", ":"))


def write(kind: str, folder: Path, megabytes: int) -> None:
    """Fill a folder with files of one kind, unless it is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(max(1, megabytes * 1_000_000 // PIECE)):
        random = Random(number)
        far = [
            f"{random.randint(13, 52)}.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
            for _ in range(3000)
        ]
        path = folder / f"{number:03}.json"
        if path.exists():
            continue
        texts, size = [], 0
        for text in blob_records(random, far) if kind == "blobs" else firewall_lines(random, far):
            texts.append(text)
            size += len(text) + 1
            if size >= PIECE:
                break
        path.write_text('{"records":[' + ",".join(texts) + "]}" if kind == "blobs" else "\n".join(texts) + "\n")


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
