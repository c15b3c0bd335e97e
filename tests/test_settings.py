"""Settings: every key, and one sentence for every value that is none."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from support.errors import UsageError
from support.settings import DEFAULT_DYNAMO, ROOT, Settings, guide_environment


def test_nothing_given_means_the_defaults() -> None:
    assert Settings.read({}) == Settings()
    assert Settings().log_dir == ROOT / "reports"


def test_the_guides_namespace_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DYNAMO_NAMESPACE", raising=False)
    assert Settings().namespace == "dynamo-fault-specs"
    monkeypatch.setenv("DYNAMO_NAMESPACE", "team-a")
    assert Settings().namespace == "team-a"


def test_every_key_is_read(tmp_path: Path) -> None:
    given = {
        "target": "Kubernetes",
        "backend": "sglang",
        "engine": "MOCKER",
        "request_plane": "nats",
        "dynamo": "1.5.0rc1",
        "image": "registry.example/specs:1",
        "context": "kind-test",
        "namespace": "mine",
        "attach": "theirs",
        "frontend_url": "http://frontend:8000/",
        "described": __file__,
        "lose_node": "cut $NODE",
        "return_node": "join $NODE",
        "lose_api": "freeze it",
        "return_api": "thaw it",
        "etcd": str(tmp_path),
        "fresh": "yes",
        "timeout_scale": "2.5",
        "log_dir": str(tmp_path / "new"),
    }
    assert set(given) == {field.name for field in fields(Settings)} - {"graph"}, "which excludes attach"
    assert Settings.read(given) == Settings(
        target="kubernetes",
        backend="sglang",
        engine="mocker",
        request_plane="nats",
        dynamo="1.5.0rc1",
        image="registry.example/specs:1",
        context="kind-test",
        namespace="mine",
        attach="theirs",
        frontend_url="http://frontend:8000",
        described=Path(__file__),
        lose_node="cut $NODE",
        return_node="join $NODE",
        lose_api="freeze it",
        return_api="thaw it",
        etcd=tmp_path,
        fresh=True,
        timeout_scale=2.5,
        log_dir=tmp_path / "new",
    )


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("bakend", "vllm", r"^unknown setting -D bakend: did you mean 'backend'\? There are target, backend, engine, "),
        (
            "frontend_url",
            "localhost",
            r"^-D frontend_url=localhost: it must be an address such as http://localhost:8000$",
        ),
        ("described", "/nowhere", r"^-D described=/nowhere: there is no such file$"),
        ("colour", "red", r"^unknown setting -D colour: There are .*log_dir$"),
        ("", "vllm", r"^unknown setting -D : There are "),
        ("target", "moon", r"^unknown target .*'moon': choose one of local, kubernetes$"),
        ("backend", "vlm", r"^unknown backend .*'vlm': choose one of vllm, sglang, trtllm$"),
        ("backend", "", r"^unknown backend .*'': choose one of"),
        ("engine", "steam", r"^unknown engine .*'steam': choose one of mocker, counting, real$"),
        ("request_plane", "udp", r"^unknown request_plane .*'udp': choose one of tcp, nats$"),
        ("lose_node", " ", r"^-D lose_node= is empty: give a command of the shell$"),
        ("dynamo", "", r"^-D dynamo=: it must be a version such as 1\.4\.2$"),
        ("dynamo", "../../bin", r"^-D dynamo=\.\./\.\./bin: it must be a version"),
        ("dynamo", "1..4", r"^-D dynamo=1\.\.4: it must be a version"),
        ("image", "", r"^-D image=: it must be one word$"),
        ("context", "a b", r"^-D context=a b: it must be one word$"),
        ("namespace", "Mine", r"^-D namespace=Mine: it must be up to 40 small letters"),
        ("namespace", "a" * 41, r"^-D namespace=a+: it must be up to 40"),
        ("namespace", "a-", r"^-D namespace=a-: it must be"),
        ("etcd", "/nowhere/at/all", r"^-D etcd=/nowhere/at/all: there is no such folder$"),
        ("etcd", " ", r"^-D etcd= is empty: name a folder$"),
        ("fresh", "maybe", r"^-D fresh=maybe: say true or false$"),
        ("timeout_scale", "fast", r"^-D timeout_scale=fast: it must be a number above 0, such as 2 or 0\.5$"),
        ("timeout_scale", "0", r"^-D timeout_scale=0: it must be a number above 0"),
        ("timeout_scale", "-1", r"^-D timeout_scale=-1: it must be a number above 0"),
        ("timeout_scale", "inf", r"^-D timeout_scale=inf: it must be a number above 0"),
        ("timeout_scale", "nan", r"^-D timeout_scale=nan: it must be a number above 0"),
        ("log_dir", "", r"^-D log_dir= is empty: name a folder$"),
    ],
)
def test_a_bad_value_is_one_sentence(key: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as refused:
        Settings.read({key: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("key", ["log_dir", "etcd"])
def test_the_home_of_an_unknown_user_is_one_sentence(key: str) -> None:
    with pytest.raises(UsageError, match=rf"-D {key}=~no-such-user/x: "):
        Settings.read({key: "~no-such-user/x"})


@pytest.mark.parametrize(
    ("word", "means"),
    [("true", True), ("ON", True), ("1", True), ("yes", True), ("false", False), ("Off", False), ("0", False)],
)
def test_a_flag_has_many_words(word: str, means: bool) -> None:
    assert Settings.read({"fresh": word}).fresh is means


def test_a_relative_folder_is_the_users_and_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/of/mine")
    assert Settings.read({"log_dir": "out"}).log_dir == tmp_path / "out"
    assert Settings.read({"log_dir": "~/out"}).log_dir == Path("/home/of/mine/out")


def test_the_report_shows_every_setting() -> None:
    shown = Settings(fresh=True, timeout_scale=0.5, backend="vllm").shown()
    assert set(shown) == {field.name for field in fields(Settings)}
    assert (shown["fresh"], shown["timeout_scale"], shown["backend"], shown["etcd"]) == ("true", "0.5", "vllm", "-")
    assert shown["dynamo"] == DEFAULT_DYNAMO


def test_the_readme_tells_of_every_setting() -> None:
    rows = [row for row in (ROOT / "README.md").read_text().splitlines() if row.startswith("| `")]
    told = " ".join(row.split("|")[1] for row in rows)
    assert [one.name for one in fields(Settings) if f"`{one.name}`" not in told] == []


def test_the_guides_environment_variables_are_shown_when_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "DYNAMO_NAMESPACE", "FRONTEND_URL"):
        monkeypatch.delenv(name, raising=False)
    assert guide_environment() == {}
    monkeypatch.setenv("FRONTEND_URL", "http://frontend:8000")
    assert guide_environment() == {"FRONTEND_URL": "http://frontend:8000"}
