"""One HTML file from the results of a run: made by Allure 3 on Node, without Java, and without the outside world.

Allure's page asks Google Analytics for a script; that is taken out, and the finished page is checked: it must name no
address from which it could load anything, and its own policy forbids the browser to load anything either.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.errors import Unavailable
from support.known_defects import GONE
from support.report.outcome import KNOWN_DEFECT

GENERATED_WITHIN = 120
"""Seconds."""
TITLE = "Dynamo fault specifications"
ROOT = Path(__file__).resolve().parent.parent.parent
NODE = Path(sys.prefix) / "bin" / "node"
ALLURE = ROOT / ".specs" / "report" / "node_modules" / "allure" / "cli.js"

CATEGORIES: list[dict[str, Any]] = [
    {"name": "Dynamo broke a promise", "matchers": {"statuses": ["failed"], "message": f"^(?!{GONE})"}},
    {"name": "A known defect is gone: remove its mark", "matchers": {"statuses": ["failed"], "message": f"^{GONE}"}},
    {"name": "The environment or a fault did not work", "matchers": {"statuses": ["broken"]}},
    {"name": "Known defects of Dynamo", "matchers": {"statuses": ["skipped"], "message": f"^{KNOWN_DEFECT}"}},
    {"name": "Not possible on this target", "matchers": {"statuses": ["skipped"]}},
]
"""In the order in which they are tried and shown."""

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' data: blob:; style-src 'unsafe-inline' data: blob:; "
    "img-src data: blob:; font-src data:; media-src data: blob:; connect-src data: blob:; frame-src data: blob:"
)
_ANALYTICS = re.compile(
    r'<script async src="https://www\.googletagmanager\.com[^>]*></script>\s*<script>.*?</script>', re.DOTALL
)
_NAMES_NOT_LOADED = {"www.w3.org", "allurereport.org", "trace.playwright.dev"}
"""Names of XML vocabularies, and two links that a reader may click."""
_LOADING_ATTRIBUTE = re.compile(
    r"<(?:script|link|img|iframe|source|audio|video|embed|base)\b[^>]*?\s(?:src|href)=[\"']?([^\"'\s>]+)"
)
_ADDRESS = re.compile(r"(?:https?|wss?)://[\w-]+\.[^\s\"'`<>()\\]+")
_DATA_SCRIPT = re.compile(r"data:text/(?:javascript|css);base64,([A-Za-z0-9+/=]+)")


def build(
    results_dir: Path,
    output_html: Path,
    *,
    title: str = TITLE,
    environment: Mapping[str, str] | None = None,
    history: Path | None = None,
    node: Path = NODE,
    allure_bin: Path = ALLURE,
) -> Path:
    """Make the page and return where it is; also for a run that failed or was cut short.

    environment: what the page shows of versions, target and machine; None: what was written with the results.
    history: the file that keeps what earlier runs found; beside the page when not given. It grows by one line.
    Unavailable when Node or Allure is missing or fails, or when the page would load something from outside.
    """
    _require(node, allure_bin, results_dir)
    if environment is not None:
        write_environment(results_dir, environment)
    history = history or output_html.parent / "history.jsonl"
    output_html.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="report-", dir=output_html.parent) as folder:
        page = _generate(results_dir, Path(folder), title, history, [str(node), str(allure_bin)])
        html = seal(page.read_text(encoding="utf-8"))
        page.write_text(html, encoding="utf-8")
        shutil.move(page, output_html)
    return output_html


def write_environment(results_dir: Path, facts: Mapping[str, str]) -> None:
    """Put the facts where Allure looks for them. A value is one line."""
    lines = [f"{_escaped(key, also=' =:')}={_escaped(value)}\n" for key, value in facts.items()]
    (results_dir / "environment.properties").write_text("".join(lines), encoding="utf-8")


def _escaped(words: str, *, also: str = "") -> str:
    """As Java's properties files want it."""
    return "".join(f"\\{letter}" if letter in f"\\{also}" else letter for letter in " ".join(words.split()))


def seal(html: str) -> str:
    """The page without analytics and with a policy that lets a browser load nothing from outside.

    Unavailable, naming the addresses, when it still holds one from which it could load.
    """
    html = _ANALYTICS.sub("", html)
    html = html.replace("<head>", f'<head>\n    <meta http-equiv="Content-Security-Policy" content="{_POLICY}">', 1)
    if _POLICY not in html:
        raise Unavailable("the report has no <head> to put its policy into: install the pinned Allure by ./specs setup")
    if outside := outside_addresses(html):
        raise Unavailable(
            f"the report would load from outside: {', '.join(outside)}; install the pinned Allure by ./specs setup"
        )
    return html


def outside_addresses(html: str) -> list[str]:
    """Every address in the page and in its own scripts and styles that a browser might load.

    The data of the report is not looked at: it is shown as text, and the policy holds for it too.
    """
    own = "\n".join(base64.b64decode(found).decode("utf-8", "replace") for found in _DATA_SCRIPT.findall(html))
    loaded = [address for address in _LOADING_ATTRIBUTE.findall(html) if not address.startswith(("data:", "#"))]
    named = [
        address for address in _ADDRESS.findall(f"{html}\n{own}") if urlsplit(address).hostname not in _NAMES_NOT_LOADED
    ]
    return sorted({*loaded, *named})


def _require(node: Path, allure_bin: Path, results_dir: Path) -> None:
    for name, path in (("Node", node), ("Allure", allure_bin)):
        if not path.is_file():
            raise Unavailable(f"the HTML report needs {name}, and {path} is not there: run ./specs setup")
    if not results_dir.is_dir():
        raise Unavailable(f"there are no results in {results_dir}: run some specifications first")


def _generate(results_dir: Path, folder: Path, title: str, history: Path, allure: list[str]) -> Path:
    config = folder / "allurerc.mjs"
    config.write_text(f"export default {json.dumps(_config(folder / 'page', title, history))};\n", encoding="utf-8")
    command = [*allure, "generate", "--config", str(config), str(results_dir.absolute())]
    quiet = os.environ | {"NODE_DISABLE_COMPILE_CACHE": "1"}  # else it leaves a folder in the machine's /tmp
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=quiet, timeout=GENERATED_WITHIN)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"Allure was not done after {GENERATED_WITHIN} s: run ./specs setup, or report it") from None
    page = folder / "page" / "index.html"
    if done.returncode or not page.is_file():
        said = (done.stderr or done.stdout).strip().splitlines()[-5:] or ["nothing"]
        raise Unavailable(f"Allure ended with status {done.returncode} and said {' '.join(said)!r}: run ./specs setup")
    return page


def _config(output: Path, title: str, history: Path) -> dict[str, Any]:
    page = {
        "reportName": title,
        "singleFile": True,
        "reportLanguage": "en",
        "theme": "light",
        "groupBy": ["epic", "feature", "story"],
    }
    return {
        "name": title,
        "output": str(output.absolute()),
        "historyPath": str(history.absolute()),
        "appendHistory": True,
        "historyLimit": 50,
        "categories": CATEGORIES,
        "plugins": {"awesome": {"options": page}},
    }
