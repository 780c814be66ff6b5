"""The page as text: what its policy allows, where it is cut, what a link may be, and that it is always the same."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest
from markupsafe import Markup

from fwlens.report import MOST_BYTES, Artefact, Night, Report, page, plot_library, render
from tests.hostile import HOSTILE
from tests.report.nights import invented, quiet, rule, sample

SECTIONS = ["verdict", "timeline", "rules", "needs", "affected", "unexplained", "refused", "evidence"]


class Tags(HTMLParser):
    """Every element that begins, with the attributes that load, link or run something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def text(night: Night) -> str:
    return render(night, shared_script=True).page.decode()


def hostile(n: int) -> str:
    return HOSTILE[n % len(HOSTILE)]


def test_the_sections_come_in_the_order_in_which_they_are_asked() -> None:
    shown = text(invented())
    assert re.findall(r'<(?:header|h2)[^>]* id="([a-z]+)"', shown) == [*SECTIONS, "changes"]
    assert re.findall(r'<(?:header|h2)[^>]* id="([a-z]+)"', text(sample())) == SECTIONS
    assert re.findall(r'<(?:header|h2)[^>]* id="([a-z]+)"', text(quiet(sample()))) == SECTIONS


def test_a_page_loads_nothing_and_runs_its_own_two_scripts_only() -> None:
    whole, shared = render(sample()).page.decode(), text(sample())
    for shown, script in ((whole, r"'sha256-[A-Za-z0-9+/=]{44}'"), (shared, r"'nonce-[0-9a-f]{32}'")):
        (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', shown)
        directives = dict(part.strip().split(" ", 1) for part in policy.replace("&#39;", "'").split(";"))
        assert re.fullmatch(rf"'sha256-[A-Za-z0-9+/=]{{44}}' {script}", directives.pop("script-src"))
        assert directives == {
            "default-src": "'none'",
            "style-src": "'unsafe-inline'",
            "img-src": "data:",
            "connect-src": "'none'",
            "form-action": "'none'",
            "base-uri": "'none'",
        }
    loading = [pair for pair in Tags(shared).attributes if pair[0] in ("src", "srcset", "data", "action", "background")]
    assert loading == [("src", "plotly.min.js")]
    assert plot_library() in whole
    assert not [name for name, _ in Tags(shared).attributes if name.startswith("on")]


def test_every_link_out_is_https_from_a_document_and_tells_nobody_where_it_was_clicked() -> None:
    shown = text(sample())
    links = re.findall(r'<a href="([^"#][^"]*)"([^>]*)>', shown)
    assert len(links) > 20
    assert {url for url, _ in links if not url.startswith("https://")} == set()
    assert {rest for _, rest in links} == {' rel="noopener noreferrer"'}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://learn.microsoft.com/azure/x?view=1#part", True),
        ("http://learn.microsoft.com/", False),
        ("javascript:alert(1)", False),
        ("https:javascript", False),
        ("https://user@host.example/", False),
        ("https://host.example/\"><script>", False),
        ("https://host.example/a b", False),
        ("https://[half", False),
        ("//host.example/", False),
        ("", False),
        *((text, False) for text in HOSTILE),
    ],
)  # fmt: skip
def test_only_a_plain_https_address_becomes_a_link(url: str, shown: bool) -> None:
    assert page.link(url) == (url if shown else "")


def test_hostile_texts_add_no_element_and_no_attribute_to_a_page() -> None:
    places = {word: place for place, word in enumerate(sorted(HOSTILE))}
    benign = Tags(text(invented(lambda n: f"{places[hostile(n)]:04}", needed=60, unexplained=200)))
    evil = Tags(text(invented(hostile, needed=60, unexplained=200)))
    assert evil.found == benign.found
    assert [name for name, _ in evil.attributes] == [name for name, _ in benign.attributes]


def test_the_same_night_gives_the_same_bytes() -> None:
    assert render(sample()) == render(sample())
    assert render(invented(hostile)) == render(invented(hostile))


def test_every_section_of_an_empty_night_says_that_it_is_empty() -> None:
    shown = text(quiet(sample()))
    assert re.findall(r'<p class="empty">([^<]*)</p>', shown) == [
        "Nothing was denied, so there is no timeline.",
        "No rule is needed: no blocked flow is a documented need.",
        "Nobody: nothing was blocked.",
        "Nothing: every blocked flow is a documented need or was refused.",
        "Nothing was refused.",
    ]


@pytest.fixture(scope="module")
def crowd() -> tuple[Night, Report]:
    """Many of everything: flows, rules, artefacts."""
    night = invented("w{}.example.invalid".format, needed=20_000, unexplained=20_000, refused=3_000, rules=90)
    long = Artefact("azure-firewall", "Terraform", "main.tf", "x = 1\n" * 100_000)
    night = replace(night, artefacts=(long,))
    return night, render(night, name="big", shared_script=True)


def test_a_crowded_page_stays_small_and_says_of_each_table_how_much_is_cut(crowd: tuple[Night, Report]) -> None:
    _, report = crowd
    assert len(report.page) < MOST_BYTES
    shown = report.page.decode()
    said = dict(
        re.findall(r'id="sheet-([a-z-]+)"[^>]*>\s*<p[^>]*><strong>Cut:</strong> the first (\S+ of \S+) rows', shown)
    )
    assert said["affected"] == "300 of 20,000"
    assert said["unexplained"] == "300 of 20,000"
    assert said["refused"] == "300 of 3,000"
    assert "60 of 90 rules are shown as cards" in shown
    assert "Too long for this page (600,000 characters); it lies beside it, in <code>big.main.tf</code>" in shown
    assert shown.count('<article class="card"') == 60


def test_what_is_cut_lies_beside_the_page_whole(crowd: tuple[Night, Report]) -> None:
    night, report = crowd
    beside = {file.ending: file.content for file in report.beside}
    assert sorted(beside) == [
        "affected.csv",
        "affected.parquet",
        "main.tf",
        "refused.csv",
        "refused.parquet",
        "rules.csv",
        "rules.parquet",
        "unexplained.csv",
        "unexplained.parquet",
    ]
    for name, rows in (("affected", 20_000), ("unexplained", 20_000), ("refused", 3_000), ("rules", 90)):
        assert pl.read_parquet(beside[f"{name}.parquet"]).height == rows
        assert beside[f"{name}.csv"].count(b"\n") == rows + 1
    assert beside["main.tf"] == night.artefacts[0].text.encode()


def test_a_page_that_is_still_too_large_shows_less_of_everything(crowd: tuple[Night, Report]) -> None:
    night, _ = crowd
    shown = render(night, shared_script=True, most=500_000).page
    assert len(shown) < 500_000
    assert re.search(rb"the first (150|50|10) of 20,000 rows", shown)


def test_a_page_for_standard_output_says_that_nothing_can_lie_beside_it(crowd: tuple[Night, Report]) -> None:
    report = render(crowd[0], name=None, shared_script=True)
    assert report.beside == ()
    assert b"Written to a file (<code>-o FILE</code>), all of them would lie beside this page." in report.page


def test_a_sample_night_is_not_cut_at_all() -> None:
    report = render(sample(), shared_script=True)
    assert (report.beside, b'class="cut"' in report.page) == ((), False)


def test_a_rule_that_does_not_hold_is_told_first() -> None:
    night = sample()
    broken = replace(night.answer.certificate, sound=False, faults=("It allows what was refused.",))
    shown = text(replace(night, answer=replace(night.answer, certificate=broken)))
    alert = shown.index("<strong>Read this first.</strong><ul><li>It allows what was refused.</li></ul>")
    assert alert < shown.index('id="timeline"')
    assert "DOES NOT HOLD" in shown


def test_what_changed_names_rules_and_needs() -> None:
    night = invented(rules=2)
    assert night.earlier
    night = replace(
        night, earlier=replace(night.earlier, recommendations=(*night.answer.recommendations[:1], rule(999)))
    )
    shown = re.sub(r"\s+", " ", text(night))
    assert "Against w7. Needs:" in shown


def test_artefacts_of_a_platform_without_rules_have_a_place_of_their_own() -> None:
    night = replace(sample(), artefacts=(Artefact("aml-managed-network", "Azure CLI", "rules.sh", "az ml\n"),))
    assert "Ready to use elsewhere" in text(night)
    own = replace(sample(), artefacts=(Artefact("nsg", "Bicep", "main.bicep", "resource\n"),))
    assert "Ready to use for Network security group" in text(own)


def test_what_to_read_before_applying_stands_once_with_the_artefacts_of_its_platform() -> None:
    shown = text(sample())
    assert shown.count("<li>The group fwlens is written whole") == 1
    assert shown.index("Ready to use for Azure Firewall") < shown.index("<li>The group fwlens is written whole")


def test_every_link_within_a_page_leads_somewhere(crowd: tuple[Night, Report]) -> None:
    for shown in (crowd[1].page.decode(), text(replace(sample(), earlier=invented().earlier))):
        ids = set(re.findall(r' id="([^"]+)"', shown))
        assert set(re.findall(r'href="#([^"]+)"', shown)) <= ids


def test_one_of_a_thing_is_said_in_the_singular() -> None:
    shown = text(invented(needed=1, unexplained=0, refused=0, rules=1))
    assert "flow, <span" in shown
    assert not re.search(r">1</span>(?: log)? entries", shown)


def test_the_id_of_a_resource_may_be_broken_after_its_slashes_and_no_other_text() -> None:
    assert page.resource("/subscriptions/1-2/rg_x") == "/<wbr>subscriptions/<wbr>1-2/<wbr>rg_x"
    for other in ("/subscriptions/<b>", "/etc/passwd", "/subscriptions/a b"):
        assert page.resource(other) == other
        assert not isinstance(page.resource(other), Markup)
