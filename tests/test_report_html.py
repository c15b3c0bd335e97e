"""The HTML page: made by the real Allure, complete in itself, and loading nothing from outside."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from support.errors import Unavailable
from support.report import html
from tests.report_fixtures.project import Project, run_project

ENVIRONMENT = {"Dynamo version": "1.4.2", "Target": "local", "Folder": r"C:\reports = here"}
needs_allure = pytest.mark.skipif(not html.ALLURE.is_file(), reason="Allure is not installed: run ./specs setup")
needs_browser = pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's package chromium")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return run_project(
        tmp_path_factory.mktemp("run"), "features/every_ending.feature", "features/known_defects.feature"
    )


@pytest.fixture(scope="module")
def page(project: Project) -> Path:
    results, output = project.folder / "allure", project.folder / "page" / "index.html"
    html.build(results, output, environment=ENVIRONMENT)
    return html.build(results, output, environment=ENVIRONMENT)


def data(page: Path, name: str) -> Any:
    """What the page carries under that name."""
    found = re.search(rf'd\("{re.escape(name)}","([A-Za-z0-9+/=]+)"\)', page.read_text(encoding="utf-8"))
    assert found, f"the page has no {name}"
    return json.loads(base64.b64decode(found[1]))


@needs_allure
def test_a_failed_run_has_a_page(page: Path) -> None:
    assert sorted(path.name for path in page.parent.iterdir()) == ["history.jsonl", "index.html"]
    assert "<title> Dynamo fault specifications </title>" in page.read_text(encoding="utf-8")
    statistic = data(page, "widgets/statistic.json")
    assert (statistic["passed"], statistic["failed"], statistic["broken"], statistic["skipped"]) == (4, 3, 8, 3)


@needs_allure
def test_categories_say_who_is_to_blame(page: Path) -> None:
    nodes = data(page, "widgets/categories.json")["nodes"].values()
    counts = {node["name"]: node["statistic"]["total"] for node in nodes if node["type"] == "category"}
    assert counts == {
        "Dynamo broke a promise": 2,
        "A known defect is gone: remove its mark": 1,
        "The environment or a fault did not work": 8,
        "Known defects of Dynamo": 1,
        "Not possible on this target": 2,
    }


@needs_allure
def test_the_environment_is_shown_as_given(page: Path) -> None:
    shown = data(page, "widgets/allure_environment.json")
    assert {each["name"]: each["values"][0] for each in shown} == ENVIRONMENT


@needs_allure
def test_history_grows_by_a_line(page: Path) -> None:
    assert len((page.parent / "history.jsonl").read_text().splitlines()) == 2


class SilentHandler(SimpleHTTPRequestHandler):
    """Serves a folder, and does not write a line per request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it so
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SilentHandler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@dataclass
class Visit:
    """What a real browser made of a page, and what it asked outside hosts for, by its own record of the network."""

    dom: str
    asked: set[str]


def visit(page: Path, folder: Path) -> Visit:
    log = folder / "net.json"
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += [f"--log-net-log={log}", "--virtual-time-budget=10000", "--dump-dom"]
    with served(page.parent) as address:
        done = subprocess.run([*command, address + page.name], check=True, capture_output=True, text=True, timeout=120)
    events = [event.get("params", {}) for event in json.loads(log.read_text(encoding="utf-8"))["events"]]
    # the requests of a page have an origin as initiator; the browser's own (updates, the clock) have none
    asked = {event["url"] for event in events if event.get("initiator", "not an origin") != "not an origin"}
    return Visit(done.stdout, {url for url in asked if url.startswith("http") and not url.startswith(address)})


@needs_allure
@needs_browser
def test_a_browser_shows_the_page_and_asks_nobody(page: Path, tmp_path: Path) -> None:
    seen = visit(page, tmp_path)
    assert "Request cancellation" in seen.dom
    assert "A promise is kept or broken" in seen.dom
    assert seen.asked == set()


@needs_browser
def test_the_record_of_the_network_would_show_it(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<html><head></head><script src="https://www.googletagmanager.com/gtag/js"></script></html>')
    assert visit(page, tmp_path).asked == {"https://www.googletagmanager.com/gtag/js"}


@needs_browser
def test_the_policy_holds_for_what_the_check_cannot_see(tmp_path: Path) -> None:
    sly = "<html><head></head><script>fetch(['https:', '', 'outside.example', 'x'].join('/'))</script></html>"
    page = tmp_path / "page.html"
    page.write_text(sly)
    assert visit(page, tmp_path).asked == {"https://outside.example/x"}
    page.write_text(html.seal(sly))
    (tmp_path / "sealed").mkdir()
    assert visit(page, tmp_path / "sealed").asked == set()


def encoded(script: str) -> str:
    return f'<script src="data:text/javascript;base64,{base64.b64encode(script.encode()).decode()}"></script>'


@pytest.mark.parametrize(
    "loads",
    [
        '<script async src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/x.css">',
        "<img alt='' src='http://cdn.example/x.png'>",
        "<script>fetch('https://cdn.example/x.json')</script>",
        "<style>body { background: url(https://cdn.example/x.png) }</style>",
        '<script src="app.js"></script>',
        encoded("import('https://cdn.example/x.js')"),
        encoded("new WebSocket('wss://live.example/')"),
    ],
)
def test_an_address_to_load_from_fails_the_build(loads: str) -> None:
    with pytest.raises(Unavailable, match=r"would load from outside: \S*(example|app\.js)"):
        html.seal(f"<html><head></head><body>{loads}</body></html>")


def test_names_and_own_data_are_no_loads() -> None:
    harmless = '<svg xmlns="http://www.w3.org/2000/svg"/><img src="data:image/png;base64,AA=="><link href="#a">'
    assert html.outside_addresses(harmless + encoded("n='http://www.w3.org/1999/xhtml'")) == []


def test_a_page_without_head_is_refused() -> None:
    with pytest.raises(Unavailable, match="no <head>"):
        html.seal("<html></html>")


@pytest.mark.parametrize(("missing", "named"), [("node", "needs Node"), ("allure", "needs Allure")])
def test_what_is_missing_is_named_with_the_remedy(tmp_path: Path, missing: str, named: str) -> None:
    (tmp_path / {"node": "allure", "allure": "node"}[missing]).touch()
    with pytest.raises(Unavailable, match=rf"{named}.* run \./specs setup"):
        html.build(tmp_path, tmp_path / "index.html", node=tmp_path / "node", allure_bin=tmp_path / "allure")


@needs_allure
def test_a_run_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there are no results"):
        html.build(tmp_path / "nowhere", tmp_path / "index.html")


def test_an_allure_that_fails_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "cli.js"
    broken.write_text("console.error('out of memory'); process.exit(3)")
    with pytest.raises(Unavailable, match="status 3 and said 'out of memory'"):
        html.build(tmp_path, tmp_path / "page" / "index.html", allure_bin=broken)


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((Path(html.__file__).parent / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/allure"]["version"] == "3.18.0"
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert not [name for name, package in lock["packages"].items() if name and "integrity" not in package]
