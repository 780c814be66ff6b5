"""`fwlens report` as a user meets it: where the page goes, what lies beside it, and the same numbers everywhere."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fwlens.report import SHARED_SCRIPT
from tests.hostile import HOSTILE

ROOT = Path(__file__).parent.parent.parent
PROGRAM = str(Path(sys.executable).with_name("fwlens"))
EXAMPLE = ROOT / "reports/example"
LOGS = str(ROOT / "sample_logs")


def fwlens(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([PROGRAM, *words], capture_output=True, check=False, cwd=cwd, env=os.environ)


def number(page: str, name: str) -> int:
    (found,) = re.findall(rf'data-number="{re.escape(name)}">([0-9,]+)<', page)
    return int(found.replace(",", ""))


def test_the_page_the_table_and_the_json_of_one_run_say_the_same_numbers(tmp_path: Path) -> None:
    page_file = tmp_path / "night.html"
    options = ("sample_logs/", "--region", "westeurope", "--with-allowed")
    assert fwlens("report", *options, "--shared-js", "-o", str(page_file)).returncode == 0
    page = page_file.read_text("utf-8")
    answer = json.loads(fwlens("recommend", *options, "--format", "json").stdout)
    table = fwlens("recommend", *options).stdout.decode()
    verdicts, ledger = answer["verdicts"], answer["ledger"]
    for name in ("needed", "unexplained", "refused"):
        assert number(page, name) == verdicts[name]["flows"]
        assert number(page, f"{name}.events") == verdicts[name]["events"]
    denied = [verdicts[name] for name in ("needed", "unexplained", "refused")]
    assert number(page, "blocked") == sum(each["flows"] for each in denied)
    assert number(page, "blocked.events") == sum(each["events"] for each in denied)
    assert number(page, "working") == verdicts["working"]["flows"]
    assert number(page, "surplus.flows") == verdicts["surplus"]["flows"]
    assert number(page, "rules") == len(answer["recommendations"]) == answer["certificate"]["rules"]
    assert number(page, "lower_bound") == answer["certificate"]["lower_bound"]
    assert number(page, "surplus") == answer["certificate"]["surplus"]
    assert number(page, "service_tags") == answer["service_tags"]
    for name in ("rows_read", "rows_used", "rows_set_aside"):
        assert number(page, name) == ledger[name]
    assert re.findall(r'<article class="card" id="rule-([^"]+)"', page) == [
        one["id"] for one in answer["recommendations"]
    ]
    assert re.findall(r'class="count">\((\d+), most log', page) == [
        str(count) for count in (22, len(answer["unexplained"]), len(answer["refused"]))
    ]
    said = "{:,} blocked flows ({:,} log entries)".format(number(page, "blocked"), number(page, "blocked.events"))
    lines = table.splitlines()
    assert lines[0].startswith(said)
    assert lines[1] == f"{number(page, 'needed')} are documented needs; {number(page, 'rules')} rules allow them."
    assert lines[2] == f"{number(page, 'unexplained')} are not documented, {number(page, 'refused')} are refused."
    assert lines[3].startswith(f"Allowed: {number(page, 'working')} documented needs work")
    assert f"Read {number(page, 'rows_read')} rows of 8 files: {number(page, 'rows_used')} used" in table


def test_a_page_goes_to_reports_by_its_day_where_no_place_is_named(tmp_path: Path) -> None:
    done = fwlens("report", LOGS, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"reports/night-2026-11-20.html\n")
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["night-2026-11-20.html"]


def test_a_page_goes_to_a_file_whole_with_the_script_beside_it_where_it_is_shared(tmp_path: Path) -> None:
    page = tmp_path / "x.html"
    done = fwlens("report", LOGS, "-o", str(page), "--shared-js")
    assert (done.returncode, done.stdout, done.stderr.decode()) == (0, b"", f"{page}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [SHARED_SCRIPT, "x.html"]
    assert page.stat().st_size < 300_000


def test_what_is_cut_is_written_beside_the_page_and_the_page_comes_last(tmp_path: Path) -> None:
    record = {"time": "2026-11-20T22:00:00Z", "category": "AZFWApplicationRule"}
    tells = {"Protocol": "HTTPS", "SourceIp": "10.0.0.4", "SourcePort": 1, "DestinationPort": 443, "Action": "Deny"}
    lines = [json.dumps({**record, "properties": {**tells, "Fqdn": f"h{n}.example"}}) for n in range(400)]
    (tmp_path / "many.jsonl").write_text("\n".join(lines), "utf-8")
    done = fwlens("report", "many.jsonl", "-o", "x.html", "--shared-js", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"x.unexplained.csv\nx.unexplained.parquet\nx.html\n")
    assert (tmp_path / "x.unexplained.csv").read_bytes().count(b"\n") == 401
    page = re.sub(r"\s+", " ", (tmp_path / "x.html").read_text("utf-8"))
    assert (
        "the first 300 of 400 rows are shown, most log entries first. All of them lie beside this page, in "
        "<code>x.unexplained.csv</code> and <code>x.unexplained.parquet</code>."
    ) in page


def test_a_page_on_standard_output_is_nothing_but_the_page() -> None:
    done = fwlens("report", LOGS, "-o", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"<!doctype html>")
    assert done.stdout.endswith(b"</html>\n")


def test_the_same_logs_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    files = sorted(str(path.relative_to(ROOT)) for path in Path(LOGS).iterdir())
    forth = fwlens("report", *files, "--shared-js", "-o", str(tmp_path / "x.html"))
    first = (tmp_path / "x.html").read_bytes()
    fwlens("report", *reversed(files), "--shared-js", "-o", str(tmp_path / "x.html"))
    assert (forth.returncode, (tmp_path / "x.html").read_bytes()) == (0, first)


def test_an_earlier_answer_is_compared_with(tmp_path: Path) -> None:
    fwlens("recommend", "sample_logs/azfw.jsonl", "--format", "json", "-o", str(tmp_path / "then.json"))
    fwlens(
        "report", "sample_logs", "--against", str(tmp_path / "then.json"), "--shared-js", "-o", str(tmp_path / "x.html")
    )
    page = re.sub(r"\s+", " ", (tmp_path / "x.html").read_text("utf-8"))
    assert "then.json. Needs: 2 new, 13 still open, 0 resolved. Rules: 3 new, 2 changed, 3 still open. What" in page


def test_a_need_that_was_known_by_its_service_tag_is_not_resolved_where_no_tags_are_given(tmp_path: Path) -> None:
    then, page = tmp_path / "then.json", tmp_path / "x.html"
    tags = ("--service-tags", "sample_logs/service-tags.json")
    fwlens("recommend", "sample_logs/azfw.jsonl", *tags, "--format", "json", "-o", str(then))
    fwlens("report", "sample_logs/azfw.jsonl", "--against", str(then), "--shared-js", "-o", str(page))
    told = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page.read_text("utf-8")))
    assert (
        "Needs: 0 new, 13 still open, 0 resolved, 1 no longer recommended. Rules: 1 no longer recommended, 3 still"
        in told
    )
    assert "Other than then: change number of the service tags none (1 then)." in told
    assert (
        "Needs that are no longer recommended for, though they are denied or may be aml/compute-management : perhaps denied "
        "still: other service tags than then"
    ) in told


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--against", "no-such.json"), 1, "fwlens: no-such.json: cannot be read (No such file or directory).\n"),
        (("-o", "README.md/x.html"), 1, "fwlens: README.md/x.html: cannot be written (Not a directory). Choose another place with -o.\n"),
        (("--region", "atlantis"), 2, "atlantis"),
        (("--profile", "trainning"), 2, "'trainning' is no profile of the catalogue."),
        (("--target", "a b"), 2, "'a b' is no name of an Azure resource"),
    ],
    ids=["against", "place", "region", "profile", "target"],
)  # fmt: skip
def test_a_wrong_value_is_one_sentence_and_what_was_mistyped_is_wrong_usage(
    words: tuple[str, ...], code: int, message: str
) -> None:
    done = fwlens("report", "sample_logs/", *words)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (code, b"", 1)
    assert message in done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("-o - --shared-js", "'--shared-js': is for a page in a file."),
        ("--platform nsg --ip-groups", "'--ip-groups': is for rules of azure-firewall."),
        ("--platform aml-managed-network --priority-below 400", "'--priority-below': is for rules of azure-firewall or nsg."),
    ],
)  # fmt: skip
def test_an_option_that_would_do_nothing_is_wrong_usage(words: str, told: str) -> None:
    done = fwlens("report", "no-such.json", *words.split())
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().endswith(f"Error: Invalid value for {told}\n")


def test_a_rule_to_respect_that_denied_nothing_is_told(tmp_path: Path) -> None:
    words = ("--never-override", "DenyAll", "-o", str(tmp_path / "x.html"), "--shared-js")
    done = fwlens("report", "sample_logs/azfw.jsonl", *words)
    told = "fwlens: --never-override 'DenyAll': no rule of this name denied anything that was read. No named rule did."
    assert (done.returncode, told in done.stderr.decode().splitlines()) == (0, True)


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    done = fwlens("report", "sample_logs/azfw.jsonl", "--shared-js", "-o", str(tmp_path / "reports/of/night.html"))
    assert (done.returncode, done.stderr.decode().splitlines()[0]) == (0, f"{tmp_path}/reports/of/night.html")
    assert sorted(one.name for one in (tmp_path / "reports/of").iterdir()) == ["night.html", "plotly.min.js"]


def test_a_log_that_is_none_is_told_on_the_page_and_ends_with_1(tmp_path: Path) -> None:
    done = fwlens("report", "no-such.json", "sample_logs/", "-o", str(tmp_path / "x.html"))
    assert done.returncode == 1
    fault = "no-such.json: cannot be read (No such file or directory). Check the path and its permissions."
    assert done.stderr.decode() == f"{tmp_path / 'x.html'}\nfwlens: {fault}\n"
    assert f"<li>{fault}</li>" in (tmp_path / "x.html").read_text("utf-8")


def test_hostile_names_in_a_log_a_catalogue_and_an_edited_answer_are_texts_on_the_page(tmp_path: Path) -> None:
    """The whole way, where the laws of a flow stand in front of the page."""
    record = {"time": "2026-11-20T22:00:00Z", "category": "AZFWApplicationRule"}
    tells = {"Protocol": "HTTPS", "SourceIp": "10.0.0.4", "SourcePort": 1, "DestinationPort": 443, "Action": "Deny"}
    log = tmp_path / "'><script>alert(1)<script>.jsonl"
    log.write_text(
        "".join(
            json.dumps(
                {**record, "resourceId": text, "properties": {**tells, "Fqdn": host, "Policy": text, "Rule": text}}
            )
            + "\n"
            for text in HOSTILE
            for host in (text, "pypi.org", "unknown.example")
        ),
        "utf-8",
    )
    need = {"for": HOSTILE[0], "id": "own/need", "ways": [{"to": ["own.example"], "over": ["tcp/443"]}]}
    own = {
        "page": HOSTILE[3],
        "url": "https://own.example/",
        "layer": "vendor",
        "read_on": "2026-11-21",
        "needs": [need],
    }
    (tmp_path / "own.yaml").write_text(json.dumps(own), "utf-8")
    fwlens("recommend", "sample_logs", "--format", "json", "-o", str(tmp_path / "then.json"))
    then = json.loads((tmp_path / "then.json").read_bytes())
    for one in then["recommendations"]:
        one["doubts"] = list(HOSTILE)
        for cited in one["requirements"]:
            cited |= {"id": HOSTILE[1], "url": "javascript:alert(1)", "page": HOSTILE[2], "for": HOSTILE[3]}
    (tmp_path / "then.json").write_text(json.dumps(then), "utf-8")
    page = tmp_path / "x.html"
    options = ("--catalog", str(tmp_path / "own.yaml"), "--against", str(tmp_path / "then.json"), "--shared-js")
    done = fwlens("report", str(log), *options, "-o", str(page))
    assert (done.returncode, done.stderr.decode().splitlines()[0]) == (0, str(page))
    shown = page.read_text("utf-8")
    assert shown.count("<script") == 3
    assert "breaks the law of: plain host name" in shown
    assert "javascript:alert(1)" not in re.findall(r'href="([^"]*)"', shown)


def test_the_example_is_the_report_of_the_sample_night(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    page = tmp_path / "night-2026-11-20.html"
    demo = re.search(r"fwlens (report .*)", (ROOT / "Makefile").read_text("utf-8"))
    assert demo
    fwlens(*demo[1].split(), "--shared-js", "-o", str(page))
    example = EXAMPLE / page.name
    if request.config.getoption("--update-golden"):
        EXAMPLE.mkdir(parents=True, exist_ok=True)
        example.write_bytes(page.read_bytes())
        (EXAMPLE / "plotly.min.js").write_bytes((tmp_path / "plotly.min.js").read_bytes())
    assert (EXAMPLE / "plotly.min.js").stat().st_size > 1_000_000, "the example is drawn in a fresh clone too"
    assert [path.name for path in sorted(EXAMPLE.glob("*.html"))] == [page.name]
    assert page.read_bytes() == example.read_bytes()


def test_the_page_holds_each_platforms_rules_as_emit_writes_them(tmp_path: Path) -> None:
    night, page = tmp_path / "night.json", tmp_path / "night.html"
    near = ("--priority-below", "4000")
    fwlens("recommend", "sample_logs/", "--region", "westeurope", "--format", "json", "-o", str(night))
    fwlens("report", "sample_logs/", "--region", "westeurope", *near, "--shared-js", "-o", str(page))
    shown = re.findall(r"<pre tabindex=\"0\"><code>(.*?)</code></pre>", page.read_text("utf-8"), flags=re.DOTALL)
    texts = {html.unescape(text) for text in shown}
    for platform, forms in (
        ("azure-firewall", "arm bicep terraform az markdown"),
        ("nsg", "arm bicep terraform az csv"),
    ):
        for form in forms.split():
            place = near if platform == "nsg" and form != "csv" else ()  # no named rule of the firewall denied
            done = fwlens("emit", str(night), "--platform", platform, "--format", form, *place)
            assert done.stdout.decode() in texts, (platform, form)


def test_where_azure_would_refuse_rules_the_page_says_why(tmp_path: Path) -> None:
    page = tmp_path / "night.html"
    fwlens("report", "sample_logs/", "--region", "westeurope", "--shared-js", "-o", str(page))
    assert "nsg-e08d0930ec: denied by a rule of the NSG, and an allow must come before it." in page.read_text("utf-8")
