"""What docker-compose itself does not look at: who is published, who may do what, what is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from compose.mlflow import RegistryServer
from compose.prepare import links, prepare
from core.domain.placeholder_secrets import is_placeholder
from core.platform.settings import Settings
from tests.compose import composed
from tests.stacks import ROOT

OWN = {"migrate", "worker", "worker-train", "worker-desk", "reconcile", "serving-1", "serving-2",
       "console", "mlflow", "data-api", "s3-bucket", "operate"}  # fmt: skip
STORES = {"mysql", "redis", "mlflow", "s3"}
BECOMES_ITS_USER = {"mysql"}
TOLD_OTHERWISE = {
    "SECRETS_DIR", "STREAMLIT_SECRETS_FILES", "MLFLOW_S3_ENDPOINT_URL",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL",
}  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return composed.checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def services(file: Path) -> dict[str, Any]:
    made: dict[str, Any] = composed.config(file)["services"]
    return made


def test_every_service_is_there(services: dict[str, Any]) -> None:
    assert OWN | {"mysql", "redis", "proxy", "dex", "adminer", "s3"} <= set(services)


def test_the_core_comes_without_a_profile(file: Path) -> None:
    core = composed.config(file, (), COMPOSE_PROFILES="")["services"]
    assert set(core) == (OWN - {"data-api", "s3-bucket", "operate"}) | {"mysql", "redis", "proxy"}


def test_only_the_proxy_is_published_and_what_helps_only_on_this_machine(
    services: dict[str, Any],
) -> None:
    published = {name: s["ports"] for name, s in services.items() if s.get("ports")}
    assert set(published) - {"prometheus", "grafana"} == {"proxy", "dex", "adminer"}
    for ports in published.values():
        assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_publishing_wider_is_asked_for_by_name(file: Path) -> None:
    wide = composed.config(file, PUBLISH="0.0.0.0")["services"]
    open_wide = {
        n for n, s in wide.items() for p in s.get("ports", []) if p["host_ip"] == "0.0.0.0"
    }
    assert open_wide == {"proxy"}


def test_stores_are_within(services: dict[str, Any], file: Path) -> None:
    networks = composed.config(file)["networks"]
    assert networks["inside"]["internal"]
    assert networks["front"]["internal"]
    for name in STORES & set(services):
        assert "outside" not in services[name]["networks"], name


@pytest.mark.parametrize("rule", ["restart", "read_only", "cap_drop", "security_opt", "logging"])
def test_every_service_keeps_the_rule(services: dict[str, Any], rule: str) -> None:
    wanted = {
        "restart": lambda s: s.get("restart") in {"unless-stopped", "no"},
        "read_only": lambda s: s.get("read_only") is True,
        "cap_drop": lambda s: s.get("cap_drop") == ["ALL"],
        "security_opt": lambda s: "no-new-privileges:true" in s.get("security_opt", []),
        "logging": lambda s: s["logging"]["options"]["max-size"],
    }[rule]
    assert [name for name, s in services.items() if not wanted(s)] == []


def test_nothing_runs_as_root_that_need_not(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name in BECOMES_ITS_USER:
            continue
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service.get("user", "")), name
    assert {services[name]["user"] for name in OWN} == {"10001:10001"}


def test_every_service_has_limits_and_health(services: dict[str, Any]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits), name
        # Our own images bring their health check with them.
        assert name in OWN or service["healthcheck"]["test"], name


def test_a_training_command_is_stopped_before_its_container_is(services: dict[str, Any]) -> None:
    worker = services["worker"]
    limit = int(worker["deploy"]["resources"]["limits"]["memory"])
    assert int(worker["environment"]["TRAINING_MEMORY_MB"]) * 1_000_000 < 0.6 * limit


def test_who_waits_for_whom_waits_until_it_is_well(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other == "migrate" else "service_healthy"
            assert how["condition"] == wanted, f"{name} on {other}"


def test_images_of_others_are_pinned(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name in OWN:
            assert service["build"]["dockerfile"] == "compose/Dockerfile"
            assert service["image"].startswith("driftdesk-")
        else:
            assert re.search(r":\d[\w.-]*@sha256:[0-9a-f]{64}$|:v\d[\w.-]*@sha256:[0-9a-f]{64}$",
                             service["image"]), f"{name}: {service['image']}"  # fmt: skip


def test_what_is_uploaded_lands_where_the_workers_look(services: dict[str, Any]) -> None:
    together = ("console", "operate", "worker", "worker-train", "worker-desk", "reconcile")
    for name in together:
        (data,) = [v for v in services[name]["volumes"] if v["target"] == "/data"]
        assert (data["source"], data.get("read_only", False)) == ("spool", False), name
        assert services[name]["environment"]["DATA_DIR"] == "/data"
    assert len({services[name]["user"] for name in together}) == 1  # who may read it
    assert len({services[name]["environment"]["SPOOL_URL"] for name in together}) == 1


def test_no_secret_stands_in_the_environment(services: dict[str, Any], file: Path) -> None:
    secrets = {
        word
        for path in (file.parent / "secrets").iterdir()
        for word in path.read_text(encoding="utf-8").split()
        if path.name.endswith(("_password", "_secret", "_key"))
    }
    assert len(secrets) > 8
    said = str(services)
    assert [word for word in secrets if word in said] == []


def test_every_program_is_told_what_it_needs_and_nothing_unknown(services: dict[str, Any]) -> None:
    known = {name.upper() for name in Settings.model_fields}
    registry = {name.upper() for name in RegistryServer.model_fields}
    for name in OWN:
        service = services[name]
        told = set(service.get("environment", {}))
        files = {s["target"].rsplit("/", 1)[-1] for s in service.get("secrets", [])}
        assert told <= known | registry | TOLD_OTHERWISE | {
            n for n in told if n.startswith(("AUTH", "AWS_"))
        } | {"MLFLOW_TRACKING_USERNAME"}, name
        for file in files:
            assert file.upper() in known | registry | {"MLFLOW_TRACKING_PASSWORD"} or file in {
                "auth.toml",
                "roles.toml",
                "serving_keys",
                "aws_credentials",
            }, f"{name}: {file}"
        given = {f.upper() for f in files} | told
        if name in {"worker", "worker-train", "worker-desk", "reconcile", "console"}:
            assert {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "SERVING_URL",
                    "DATA_API_URL", "CONSOLE_LINK", "SERVING_KEY"} <= given, name  # fmt: skip
        if name.startswith("serving"):
            assert {"DATABASE_URL", "MLFLOW_TRACKING_URI", "SERVING_ADVERTISE",
                    "SERVING_PUSH_SECRET", "SERVING_KEYS"} <= given  # fmt: skip
            assert service["environment"]["SERVING_ADVERTISE"] == f"http://{name}:8000"


def test_neighbours_are_named_as_they_are_called(services: dict[str, Any], file: Path) -> None:
    names = set(services)
    said = {
        f"{service} {key}": value
        for service, s in services.items()
        for key, value in s.get("environment", {}).items()
        if value
    }
    said |= {
        path.name: path.read_text(encoding="utf-8")
        for path in (file.parent / "secrets").iterdir()
        if path.name.endswith(("_url", "_uri"))
    }
    outside = {"localhost", "127", "dex.localhost", "0"}
    for where, value in said.items():
        for host in re.findall(r"(?:https?|redis|mysql\+pymysql)://(?:[^@/\s]*@)?([\w.-]+)", value):
            assert host in names | outside, f"{where}: {host}"


def test_the_proxy_knows_whom_it_stands_before(services: dict[str, Any]) -> None:
    told = services["proxy"]["environment"]
    used = set(re.findall(r"\$\{(\w+)\}", (ROOT / "compose" / "haproxy.cfg").read_text()))
    assert used == set(told)
    for neighbour in set(told) - {"BIND"}:
        name, port = told[neighbour].split(":")
        assert name in services
        assert port in {"8000", "8501", "5000"}


@pytest.mark.parametrize("name", ["DATA_API_URL", "CONSOLE_LINK"])
def test_what_must_be_set_is_asked_for(file: Path, name: str) -> None:
    done = composed.run(file, "config", "-q", **{name: ""})
    assert done.returncode != 0
    assert f"set {name} in compose/.env" in done.stderr


@pytest.mark.parametrize(
    ("was", "planted"),
    [
        ("condition: service_healthy", "condition: service_well"),
        ("networks: [inside]", "networks: [nowhere]"),
        ("read_only: true", "read_onyl: true"),
        ("file: ./secrets/redis_url", "fiel: ./secrets/redis_url"),
        ('volumes: ["mlflow:/data"]', 'volumes: ["nothing:/data"]'),
        ("restart: unless-stopped", "restart: [always]"),
    ],
)
def test_docker_compose_finds_a_planted_error(tmp_path: Path, was: str, planted: str) -> None:
    file = composed.checkout(tmp_path)
    text = file.read_text(encoding="utf-8")
    assert was in text
    file.write_text(text.replace(was, planted, 1), encoding="utf-8")
    assert composed.run(file, "config", "-q").returncode != 0


def test_secrets_are_made_once_and_are_no_placeholders(tmp_path: Path) -> None:
    folder, env = tmp_path / "secrets", tmp_path / ".env"
    example = ROOT / "compose" / ".env.example"
    made = prepare(folder, env, example)
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == set(before) | {".env"}
    assert oct(folder.stat().st_mode & 0o777) == "0o700"
    assert prepare(folder, env, example) == []
    (folder / "serving_push_secret").unlink()
    assert prepare(folder, env, example) == ["serving_push_secret"]
    after = {path.name: path.read_text() for path in folder.iterdir()}
    assert {n for n in after if after[n] != before[n]} == {"serving_push_secret"}
    for name, text in after.items():
        if name.endswith(("_password", "_secret", "_key")):
            assert not is_placeholder(text), name


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    from core.domain.errors import SettingsError

    (tmp_path / "secrets").write_text("a file")
    with pytest.raises(SettingsError, match="secrets cannot be written"):
        prepare(tmp_path / "secrets", tmp_path / ".env", ROOT / "compose" / ".env.example")


def test_make_up_says_where_everything_is(file: Path) -> None:
    said = links(file.parent / ".env", file.parent / "secrets" / "logins.txt")
    assert [line.split()[0] for line in said] == ["Console", "Serving", "MLflow", "Logins:"]
    assert "http://localhost:8501" in said[0]
