"""Make reproducible logs of a given size, as skewed as a night of real ones.

python bench/generate.py blobs FOLDER MEGABYTES     VNet flow logs: a blob of 32 MB is an interface and hour
python bench/generate.py lines FOLDER MEGABYTES     Azure Firewall logs as JSON Lines, files of 32 MB
python bench/generate.py many FOLDER THOUSANDS      JSON Lines in which no two denials are of one conversation
python bench/generate.py legacy FOLDER MEGABYTES    Azure Firewall's older logs: a sentence in each line
python bench/generate.py traffic FOLDER MEGABYTES   NTANetAnalytics as CSV
python bench/generate.py parquet FOLDER MILLIONS    rows of AZFWNetworkRule, in links to four files of a million
python bench/generate.py huge FOLDER MEGABYTES      links to 2 GB of blobs

What the figures are made of: nearly all traffic is allowed (3 tuples in 100 are denied, 5 lines in 100), and all
files are of one network, so they name the same peers. Who talks to whom is a Pareto distribution of index 0.7: the
first of 3,000 peers has four tenths of all traffic, half of them are hardly seen. What is blocked is retried for ever:
400 blocked peers, as skewed. A peer is asked on one port. `many` is the worst case instead: a scan, a spoofed flood.
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


PORTS = (443, 443, 443, 443, 443, 443, 80, 123, 5831, 22)


def skewed(random: Random, count: int) -> int:
    """A number below `count`, small ones far more often."""
    return min(int(random.paretovariate(0.7)) - 1, count - 1)


def peers(seed: int, count: int) -> list[tuple[str, int]]:
    """Addresses on the internet, each with the port that it is asked on."""
    random = Random(seed)
    return [
        (
            ".".join(str(random.randint(13 if i == 0 else 1, 52 if i == 0 else 250)) for i in range(4)),
            random.choice(PORTS),
        )
        for _ in range(count)
    ]


ALLOWED = peers(1, 3000)
DENIED = peers(2, 400)


def source(number: int) -> str:
    """One of a thousand machines."""
    return f"10.20.{number // 250}.{4 + number % 250}"


def blob_records(random: Random, number: int) -> Iterator[str]:
    """Minutes of one interface: groups of allowed tuples, and of a few denied ones; one in ten is inbound."""
    clock = int(START.timestamp() * 1000)
    mine = source(number % 1000)
    while True:
        groups = []
        for rule in ("DefaultRule_AllowInternetOutBound", "UserRule_Allow_443", "UserRule_DenyInternet"):
            denied = "Deny" in rule
            tuples = []
            for _ in range(random.randint(0, 20) if denied else random.randint(40, 250)):
                clock += random.randint(0, 90)
                far, port = (DENIED if denied else ALLOWED)[skewed(random, 400 if denied else 3000)]
                ends, way = f"{mine},{far}", "O"
                if random.random() < 0.1:
                    ends, way, port = f"{source(skewed(random, 1000))},{mine}", "I", 22
                state = "D,NX,0,0,0,0"
                if not denied:
                    counters = f"{random.randint(1, 90)},{random.randint(60, 90000)},9,{random.randint(60, 90000)}"
                    state = f"{random.choice('BCE')},NX,{counters}"
                tuples.append(f"{clock},{ends},{random.randint(1024, 65535)},{port},6,{way},{state}")
            if tuples:
                groups.append({"rule": rule, "flowTuples": tuples})
        record = {
            "time": START.strftime("%Y-%m-%dT%H:%M:%S.0000000Z"),
            "flowLogVersion": 4,
            "flowLogGUID": "99999999-8888-7777-6666-555555555555",
            "macAddress": f"000D3A{number:06X}",
            "category": "FlowLogFlowEvent",
            "flowLogResourceID": f"{SUBSCRIPTION}/networkWatchers/w/flowLogs/f".upper(),
            "targetResourceID": f"{SUBSCRIPTION}/virtualNetworks/vnet-ml",
            "operationName": "FlowLogFlowEvent",
            "flowRecords": {"flows": [{"aclID": f"{SUBSCRIPTION}/networkSecurityGroups/nsg-ml", "flowGroups": groups}]},
        }
        yield json.dumps(record, separators=(",", ":"))


def firewall_lines(random: Random, _: int) -> Iterator[str]:
    """Network and application rule entries, one in twenty denied."""
    noise = [f"h{i}.example{i % 97}.org" for i in range(2000)]
    clock = START
    while True:
        clock += timedelta(milliseconds=random.randint(0, 200))
        denied = random.random() < 0.05
        named = "" if denied else "x"
        path = {"Policy": named, "RuleCollectionGroup": named, "RuleCollection": named, "Rule": named}
        verdict = {"Action": "Deny" if denied else "Allow", "ActionReason": "Default Action" if denied else "", **path}
        common = {"SourceIp": source(skewed(random, 1000)), "SourcePort": random.randint(1024, 65535)}
        if random.random() < 0.5:
            far, port = (DENIED if denied else ALLOWED)[skewed(random, 400 if denied else 3000)]
            ends = {"DestinationIp": far, "DestinationPort": port}
            table, columns = "AZFWNetworkRule", {"Protocol": "TCP", **common, **ends, **verdict}
        else:
            host = random.choice(HOSTS) if random.random() < 0.2 else noise[skewed(random, len(noise))]
            extra = {"TargetUrl": "", "IsTlsInspected": False, "WebCategory": "", "IsExplicitProxyRequest": False}
            ends = {"DestinationPort": 443, "Fqdn": host}
            table, columns = "AZFWApplicationRule", {"Protocol": "HTTPS", **common, **ends, **verdict, **extra}
        resource = f"{SUBSCRIPTION}/azureFirewalls/fw-ml".upper()
        record = {"time": clock.isoformat(), "resourceId": resource, "properties": columns, "category": table}
        yield json.dumps(record, separators=(",", ":"))


def many_lines(random: Random, number: int) -> Iterator[str]:
    """Denied entries of which no two are of one conversation: half with a host name, half with an address."""
    at = number * 10_000_000
    for line in firewall_lines(random, number):
        record = json.loads(line)
        at += 1
        over: dict[str, object] = {"Action": "Deny", "SourceIp": source(at % 1000)}
        if "Fqdn" in record["properties"]:
            over["Fqdn"] = f"h{at // 1000}.example{at % 97}.org"
        else:
            over["DestinationIp"] = f"13.{at // 6_250_000}.{at // 25_000 % 250}.{at // 100 % 250}"
            over["DestinationPort"] = at % 25_000 + 1
        record["properties"] |= over
        yield json.dumps(record, separators=(",", ":"))


def legacy_lines(random: Random, _: int) -> Iterator[str]:
    """AzureFirewallNetworkRule as a diagnostic category: what happened is a sentence."""
    clock = START
    while True:
        clock += timedelta(milliseconds=random.randint(0, 200))
        denied = random.random() < 0.05
        far, port = (DENIED if denied else ALLOWED)[skewed(random, 400 if denied else 3000)]
        ends = f"{source(skewed(random, 1000))}:{random.randint(1024, 65535)} to {far}:{port}"
        sentence = f"TCP request from {ends}. Action: {'Deny' if denied else 'Allow'}"
        resource = f"{SUBSCRIPTION}/azureFirewalls/fw-ml".upper()
        record = {
            "time": clock.isoformat(), "resourceId": resource, "operationName": "AzureFirewallNetworkRuleLog",
            "category": "AzureFirewallNetworkRule", "properties": {"msg": sentence},
        }  # fmt: skip
        yield json.dumps(record, separators=(",", ":"))


def traffic_lines(random: Random, _: int) -> Iterator[str]:
    """NTANetAnalytics as the portal exports it."""
    yield (
        '"TimeGenerated [UTC]",SubType,FlowType,FlowStatus,FlowDirection,FlowStartTime,FlowEndTime,SrcIp,DestIp,'
        "DestPort,L4Protocol,AllowedInFlows,AllowedOutFlows,DeniedInFlows,DeniedOutFlows,AclRule,AclGroup,Type"
    )
    group = f"{SUBSCRIPTION}/networkSecurityGroups/nsg-ml"
    while True:
        denied = random.random() < 0.05
        far, port = (DENIED if denied else ALLOWED)[skewed(random, 400 if denied else 3000)]
        at = (START + timedelta(minutes=10 * random.randint(0, 143))).strftime("%Y-%m-%dT%H:%M:%SZ")
        counts = "0,0,0," + str(random.randint(1, 50)) if denied else f"0,{random.randint(1, 50)},0,0"
        status, rule = ("Denied", "DenyInternet") if denied else ("Allowed", "Allow_443")
        yield (
            f"{at},FlowLog,ExternalPublic,{status},Outbound,{at},{at},{source(skewed(random, 1000))},{far},{port},T,"
            f"{counts},{rule},{group},NTANetAnalytics"
        )


def rules_parquet(number: int, path: Path) -> None:
    """A million rows of AZFWNetworkRule, one in twenty denied, in the order of time."""
    import polars as pl

    count, random = 1_000_000, Random(number)
    denied = [random.random() < 0.05 for _ in range(count)]
    ends = [(DENIED if each else ALLOWED)[skewed(random, 400 if each else 3000)] for each in denied]
    named = ["" if each else "x" for each in denied]
    step = timedelta(milliseconds=80)
    pl.DataFrame(
        {
            "TimeGenerated": pl.datetime_range(START, START + (count - 1) * step, step, time_unit="us", eager=True),
            "Type": ["AZFWNetworkRule"] * count,
            "Protocol": ["TCP"] * count,
            "SourceIp": [source(skewed(random, 1000)) for _ in range(count)],
            "SourcePort": [random.randint(1024, 65535) for _ in range(count)],
            "DestinationIp": [ip for ip, _ in ends],
            "DestinationPort": [port for _, port in ends],
            "Action": ["Deny" if each else "Allow" for each in denied],
            "ActionReason": ["Default Action" if each else "" for each in denied],
            **dict.fromkeys(("Policy", "RuleCollectionGroup", "RuleCollection", "Rule"), named),
            "_ResourceId": [f"{SUBSCRIPTION}/azureFirewalls/fw-ml".lower()] * count,
        }
    ).write_parquet(path)


KINDS = {
    "blobs": blob_records, "lines": firewall_lines, "many": many_lines, "legacy": legacy_lines,
    "traffic": traffic_lines,
}  # fmt: skip


def write(kind: str, folder: Path, size: int) -> None:
    """Fill a folder with files of one kind, unless it is there already: so many megabytes, or thousands of `many`."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = range(size // 50 if kind == "many" else max(1, size * 1_000_000 // PIECE))
    for number in pieces:
        path = folder / f"{number:03}.{'csv' if kind == 'traffic' else 'json'}"
        if path.exists():
            continue
        texts, left = [], PIECE
        for text in KINDS[kind](Random(number), number):
            texts.append(text)
            left -= len(text) + 1
            if left <= 0 or (kind == "many" and len(texts) == 50_000):
                break
        path.write_text('{"records":[' + ",".join(texts) + "]}" if kind == "blobs" else "\n".join(texts) + "\n")


def linked(kind: str, folder: Path, size: int) -> None:
    """Fill a folder with links to a few files: so many megabytes of blobs, or millions of rows in Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        models = [folder.parent / f"rows-{number}.parquet" for number in range(4)]
        for number, model in enumerate(models):
            if not model.exists():
                rules_parquet(number, model)
    else:
        write("blobs", folder.parent / "blobs-2000", 2000)
        models = sorted((folder.parent / "blobs-2000").iterdir())
    for number in range(size if kind == "parquet" else size * 1_000_000 // PIECE):
        path = folder / f"{number:03}{models[0].suffix}"
        if not path.exists():
            path.hardlink_to(models[number % len(models)])


if __name__ == "__main__":
    make = linked if sys.argv[1] in ("parquet", "huge") else write
    make(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
