"""The API server of one context: the one place that owns a client, and that says what went wrong in one sentence."""

from __future__ import annotations

import functools
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.stream import portforward, stream
from websocket import WebSocketException

from support.errors import DeploymentError, Unavailable
from support.kubernetes_target.pods import CONTAINER, told_at
from support.kubernetes_target.refusals import absent, explained, said
from support.kubernetes_target.sessions import carried, insist_on_time
from support.kubernetes_target.states import ANSWERS_WITHIN, states
from support.waiting import scaled

PROTECTED = ("default", "kube-system", "kube-public", "kube-node-lease")
MERGES = "application/merge-patch+json"
CHANGES = "application/json-patch+json"
Manifest = dict[str, Any]
"""As in YAML."""


class Cluster:
    """What is asked of the API server. Every method raises DeploymentError when it does not answer, or refuses."""

    def __init__(self, context: str | None = None) -> None:
        """context: of KUBECONFIG; None: its current one. Unavailable when there is none."""
        configuration = client.Configuration()
        try:
            self.context = context or str(config.list_kube_config_contexts()[1]["name"])
            config.load_kube_config(context=self.context, client_configuration=configuration)
        except (ConfigException, KeyError, TypeError, ValueError, OSError, yaml.YAMLError) as problem:
            raise Unavailable(
                f"no Kubernetes context {context or ''} can be used ({' '.join(str(problem).split())}): "
                "set KUBECONFIG to a file that has one, and -D context to its name"
            ) from None
        configuration.retries = urllib3.Retry(0)
        configuration.connection_pool_maxsize = 64
        self.host = str(configuration.host)
        api = client.ApiClient(configuration)
        # By the client's types every field of every object may be absent; a server leaves none of those out used here.
        self.core: Any = client.CoreV1Api(api)
        self._custom: Any = client.CustomObjectsApi(api)
        self._leases: Any = client.CoordinationV1Api(api)
        self._access: Any = client.AuthorizationV1Api(api)
        self._apis: dict[str, Any] = {
            "v1": self.core,
            "apps/v1": client.AppsV1Api(api),
            "batch/v1": client.BatchV1Api(api),
            "policy/v1": client.PolicyV1Api(api),
            "rbac.authorization.k8s.io/v1": client.RbacAuthorizationV1Api(api),
            "coordination.k8s.io/v1": self._leases,
        }
        self._upgraded: Any = client.CoreV1Api(client.ApiClient(configuration))
        insist_on_time(ANSWERS_WITHIN)
        self._upgrading = threading.Lock()  # `stream` changes its client while it connects

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Turn what the client raises into a DeploymentError of one sentence."""
        try:
            yield
        except ApiException as refused:
            raise DeploymentError(explained(refused, self.context)) from refused
        except (urllib3.exceptions.HTTPError, WebSocketException, OSError) as failure:
            raise DeploymentError(
                f"the cluster of the context {self.context} does not answer at {self.host} "
                f"({type(failure).__name__}): see whether it is up, and whether KUBECONFIG means it"
            ) from failure

    def version(self) -> str:
        with self.asked():
            return str(client.VersionApi(self.core.api_client).get_code(_request_timeout=ANSWERS_WITHIN).git_version)

    def answers(self, *, within: float) -> bool:
        """Whether it does, in so many seconds, on a connection of its own."""
        configuration = self.core.api_client.configuration
        with client.ApiClient(configuration) as api:
            try:
                client.VersionApi(api).get_code(_request_timeout=within)
            except (ApiException, urllib3.exceptions.HTTPError, OSError):
                return False
        return True

    def service(self, namespace: str, name: str) -> Any:
        with self.asked():
            return self.core.read_namespaced_service(name, namespace, _request_timeout=ANSWERS_WITHIN)

    def nodes(self) -> list[Any]:
        with self.asked():
            return list(self.core.list_node(_request_timeout=ANSWERS_WITHIN).items)

    def may(
        self, verb: str, resource: str, *, group: str = "", subresource: str = "", namespace: str | None = None
    ) -> bool:
        """Whether this user may, in that namespace or, where none is named, in any."""
        attributes = {"verb": verb, "resource": resource, "group": group, "subresource": subresource}
        attributes |= {"namespace": namespace} if namespace else {}
        review = client.V1SelfSubjectAccessReview.from_dict({"spec": {"resourceAttributes": attributes}})
        with self.asked():
            answer = self._access.create_self_subject_access_review(review, _request_timeout=ANSWERS_WITHIN)
        return bool(answer.status.allowed)

    def make(self, manifest: Manifest) -> Any:
        """Create what the manifest describes, and return it as the server has it."""
        body = getattr(client, f"V1{manifest['kind']}").from_dict(manifest)
        with self.asked():
            return self._how("create", manifest)(body=body, _request_timeout=ANSWERS_WITHIN)

    def make_custom(self, plural: str, manifest: Manifest) -> None:
        """Create an object of a kind that the client does not know; the server refuses fields that it does not know.
        plural: the kind's name in addresses."""
        with self.asked():
            self._custom.create_namespaced_custom_object(
                **_kept_at(plural, manifest),
                body=manifest,
                field_validation="Strict",
                _request_timeout=ANSWERS_WITHIN,
            )

    def await_custom(self, plural: str, manifest: Manifest, seen: Callable[[Any], bool], *, within: float) -> Any:
        """Watch such an object until `seen` of it is true, or the time (scaled) is up; returns it, {} if it is gone."""
        name: str = manifest["metadata"]["name"]
        found: Any = {}
        which = {**_kept_at(plural, manifest), "field_selector": f"metadata.name={name}"}
        for there in self._states(self._custom.list_namespaced_custom_object, within, **which):
            found = there.get(name, {})
            if seen(found):
                break
        return found

    def patch(self, manifest: Manifest) -> None:
        """Change what is there to what the manifest says of it."""
        with self.asked():
            self._how("patch", manifest)(
                name=manifest["metadata"]["name"],
                body=manifest,
                _content_type=MERGES,
                _request_timeout=ANSWERS_WITHIN,
            )

    def set_fields(self, manifest: Manifest, *fields: str) -> None:
        """Let these fields of the spec be what the manifest has, where `patch` would leave what it does not say."""
        changes = [{"op": "replace", "path": f"/spec/{one}", "value": manifest["spec"][one]} for one in fields]
        with self.asked():
            self._how("patch", manifest)(
                name=manifest["metadata"]["name"],
                body=changes,
                _content_type=CHANGES,
                _request_timeout=ANSWERS_WITHIN,
            )

    def delete(self, manifest: Manifest) -> None:
        """Delete what the manifest names; no error when it is gone."""
        with self.asked(), absent():
            self._how("delete", manifest)(name=manifest["metadata"]["name"], _request_timeout=ANSWERS_WITHIN)

    def _how(self, verb: str, manifest: Manifest) -> Callable[..., Any]:
        """The client's method for that kind of object: create_namespaced_stateful_set, patch_node."""
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", manifest["kind"]).lower()
        api, namespace = self._apis[manifest["apiVersion"]], manifest["metadata"].get("namespace")
        if namespace is None:
            return getattr(api, f"{verb}_{kind}")  # type: ignore[no-any-return]
        return functools.partial(getattr(api, f"{verb}_namespaced_{kind}"), namespace=namespace)

    def namespaces(self, label: str) -> list[Any]:
        """Those with that label ("key" or "key=value")."""
        with self.asked():
            return list(self.core.list_namespace(label_selector=label, _request_timeout=ANSWERS_WITHIN).items)

    def namespace(self, name: str) -> Any:
        """None when there is none."""
        with self.asked(), absent():
            return self.core.read_namespace(name, _request_timeout=ANSWERS_WITHIN)
        return None

    def lease(self, namespace: str, name: str) -> Any:
        """None when there is none."""
        with self.asked(), absent():
            return self._leases.read_namespaced_lease(name, namespace, _request_timeout=ANSWERS_WITHIN)
        return None

    def delete_namespace(self, name: str, *, grace: int | None = None) -> None:
        """Begin to, and return; no error when it is gone. grace: seconds for its pods; None: what they ask for."""
        with self.asked():
            with absent():
                self.core.delete_namespace(name, _request_timeout=ANSWERS_WITHIN)
            if grace is not None:
                with absent():
                    self.core.delete_collection_namespaced_pod(
                        name, grace_period_seconds=grace, _request_timeout=ANSWERS_WITHIN
                    )

    def await_gone(self, label: str, *, within: float) -> list[str]:
        """Wait until no namespace has that label; returns the names of those that still have it."""
        there: dict[str, Any] = {}
        for there in self._states(self.core.list_namespace, within, label_selector=label):
            if not there:
                break
        return sorted(there)

    def pod(self, namespace: str, name: str) -> Any:
        """None when there is none."""
        with self.asked(), absent():
            return self.core.read_namespaced_pod(name, namespace, _request_timeout=ANSWERS_WITHIN)
        return None

    def pod_with(self, labels: str) -> Any:
        """One with these labels (a selector) of any namespace; None when there is none."""
        with self.asked():
            found = self.core.list_pod_for_all_namespaces(
                label_selector=labels, limit=1, _request_timeout=ANSWERS_WITHIN
            ).items
        return found[0] if found else None

    def serves(self, group: str, version: str, resource: str) -> bool:
        """Whether it has that kind of object, by its plural, such as a custom resource."""
        with self.asked(), absent():
            told: Any = self._custom.get_api_resources(group, version, _request_timeout=ANSWERS_WITHIN)
            return any(one.name == resource for one in told.resources)
        return False

    def secret(self, namespace: str, name: str) -> dict[str, str] | None:
        """What it holds, in base64; None when there is none."""
        with self.asked(), absent():
            held: dict[str, str] = self.core.read_namespaced_secret(
                name, namespace, _request_timeout=ANSWERS_WITHIN
            ).data
            return held
        return None

    def delete_pod(self, namespace: str, name: str, *, grace: int | None) -> None:
        """grace: seconds; 0 forces it; None: what the pod asks for."""
        with self.asked():
            self.core.delete_namespaced_pod(
                name, namespace, grace_period_seconds=grace, _request_timeout=ANSWERS_WITHIN
            )

    def await_pods(self, namespace: str, seen: Callable[[dict[str, Any]], bool], *, within: float) -> dict[str, Any]:
        """Watch the namespace's pods until `seen` of them, by name, is true; or the time (scaled) is up. Returns them.

        `seen` may raise what it finds wrong.
        """
        pods: dict[str, Any] = {}
        for pods in self._states(self.core.list_namespaced_pod, within, namespace=namespace):
            if seen(pods):
                break
        return pods

    def evict(self, namespace: str, pod: str) -> str | None:
        """Begin to, with what grace the pod asks for; returns why a disruption budget does not allow it now."""
        body = client.V1Eviction.from_dict({"metadata": {"name": pod, "namespace": namespace}})
        with self.asked():
            try:
                self.core.create_namespaced_pod_eviction(pod, namespace, body, _request_timeout=ANSWERS_WITHIN)
            except ApiException as refused:
                if refused.status != HTTPStatus.TOO_MANY_REQUESTS:
                    raise
                return said(refused)
        return None

    def node(self, name: str) -> Any:
        with self.asked():
            return self.core.read_node(name, _request_timeout=ANSWERS_WITHIN)

    def await_node(self, name: str, seen: Callable[[Any], bool], *, within: float) -> bool:
        """Watch a node until `seen` of it is true; False when the time (scaled) is up."""
        nodes = self._states(self.core.list_node, within, field_selector=f"metadata.name={name}")
        return any(name in there and seen(there[name]) for there in nodes)

    def events(self, namespace: str) -> list[Any]:
        """What the cluster tells of the objects there, the newest last."""
        with self.asked():
            events = list(self.core.list_namespaced_event(namespace, _request_timeout=ANSWERS_WITHIN).items)
        return sorted(events, key=told_at)

    def warnings(self, namespace: str) -> list[str]:
        """What the cluster warns of there, the newest last, each once."""
        said = [f"{one.involved_object.name}: {one.message}" for one in self.events(namespace) if one.type == "Warning"]
        return list(dict.fromkeys(said))

    def log(self, namespace: str, pod: str, *, container: str = CONTAINER, **how: Any) -> Any:
        """An open response that streams what the pod's container has written. how: as the client's method takes it."""
        with self.asked():
            return self.core.read_namespaced_pod_log(pod, namespace, container=container, _preload_content=False, **how)

    def execute(self, namespace: str, pod: str, argv: Sequence[str]) -> Any:
        """An open session with a program in the pod's container (kubernetes.stream.ws_client.WSClient)."""
        with self.asked(), self._upgrading:
            return stream(
                self._upgraded.connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=CONTAINER,
                command=list(argv),
                stdin=True,
                stdout=True,
                stderr=True,
                tty=False,
                _preload_content=False,
            )

    def forward(self, namespace: str, pod: str, port: int) -> socket.socket:
        """A connection to a port of a pod by way of the API server."""
        with self.asked(), self._upgrading:
            forwarding = portforward(
                self._upgraded.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port)
            )
            return carried(forwarding, port)

    def _states(self, listing: Callable[..., Any], within: float, **which: Any) -> Iterator[dict[str, Any]]:
        with self.asked():
            yield from states(listing, within=scaled(within), **which)


def _kept_at(plural: str, manifest: Manifest) -> dict[str, str]:
    """Where an object of a custom kind is kept, as the client asks for it."""
    group, _, version = manifest["apiVersion"].partition("/")
    return {"group": group, "version": version, "namespace": manifest["metadata"]["namespace"], "plural": plural}
