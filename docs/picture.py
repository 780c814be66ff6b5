"""Draw docs/report.png, the picture of the example report that the README shows: python docs/picture.py"""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from fwlens import run
from fwlens.night import SLOT, night_of
from fwlens.report import render

ROOT = Path(__file__).parent.parent

ask = run.Ask((str(ROOT / "sample_logs"),), region="westeurope", with_allowed=True)
page_file = ROOT / "docs" / "picture.html"
night = night_of(ask, run.matched(ask, run.flows_of(ask, every=SLOT)))
page_file.write_bytes(render(night).page)
try:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1180, "height": 1180}, color_scheme="light")
        page.goto(page_file.as_uri())
        page.locator("[data-chart=timeline] .main-svg").first.wait_for()
        page.wait_for_timeout(1000)
        page.screenshot(path=ROOT / "docs" / "report.png")
        browser.close()
finally:
    page_file.unlink()
