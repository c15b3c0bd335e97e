"""Inferences of KServe's gRPC protocol, as a frontend of Dynamo serves them: one request, one connection.

The messages are the part of https://github.com/kserve/kserve/blob/master/docs/predict-api/v2/grpc_predict_v2.proto and
of Triton's streaming extension that Dynamo 1.4.2 reads and writes. A prompt is a tensor "text_input", and "stream" says
whether the answer comes in pieces; there is no way to say how many tokens are wanted. The id of a request is kept.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from support.departures import Departure, hang_up
from support.errors import UsageError
from support.records import RequestRecord
from support.requests import CancellableRequest
from support.streams import Piece

_PACKAGE = "inference"
_SERVICE = f"/{_PACKAGE}.GRPCInferenceService"
_OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
"""Whatever the environment says no proxy, and no connection that another request has."""
_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "Contents": {"bool_contents": (1, "bool*"), "bytes_contents": (8, "bytes*")},
    "Tensor": {
        "name": (1, "string"),
        "datatype": (2, "string"),
        "shape": (3, "int64*"),
        "contents": (5, "Contents"),
    },
    "ModelInferRequest": {"model_name": (1, "string"), "id": (3, "string"), "inputs": (5, "Tensor*")},
    "ModelInferResponse": {"id": (3, "string"), "outputs": (5, "Tensor*")},
    "ModelStreamInferResponse": {"error_message": (1, "string"), "infer_response": (2, "ModelInferResponse")},
}
"""Number and type of each field by message; a star is for repeated ones."""


class KserveRequest(CancellableRequest):
    """One inference, sent once by `infer`. `cancel()` ends the call and closes its connection, which nobody shares."""

    def infer(self, address: str, model: str, prompt: str, *, stream: bool, tokens: int) -> None:
        """Send it, in the background. address: "host:port". tokens: that the engine gives of its own, for the record.

        stream: ModelStreamInfer, an answer in pieces; else ModelInfer.
        """
        record = RequestRecord(
            request_id=self.request_id,
            endpoint="kserve",
            stream=stream,
            model=model,
            max_tokens=tokens,
            prompt=prompt,
            started_at=time.monotonic(),
            started_wall=time.time(),
        )
        self._begin(record, lambda: self._infer(address, request_of(record)))

    def cancel(self, how: Departure = hang_up) -> None:
        """UsageError for every other way to leave than hanging up: gRPC keeps its sockets to itself."""
        if how is not hang_up:
            raise UsageError("a client of KServe's protocol can only hang up: let another one leave in that way")
        super().cancel(how)

    def stop_reading(self) -> None:
        """UsageError, for the same reason."""
        raise UsageError("a client of KServe's protocol cannot stop reading: let another one do so")

    async def _infer(self, address: str, request: Any) -> None:
        recording = self._recording
        try:
            async with grpc.aio.insecure_channel(f"ipv4:{address}", options=_OPTIONS) as channel:
                if recording.copy().stream:
                    async for answer in _call(channel.stream_stream, "ModelStreamInfer")(iter([request])):
                        recording.take([piece_of_stream(answer)])
                else:
                    recording.take([piece_of(await _call(channel.unary_unary, "ModelInfer")(request))])
        except asyncio.CancelledError:  # kept by the task it would keep the call, and that the connection
            return
        except grpc.aio.AioRpcError as error:
            recording.fail("error_event", f"{error.code().name}: {error.details()}")
        else:
            recording.take([Piece(done=True)])
            recording.complete()


def request_of(record: RequestRecord) -> Any:
    """The ModelInferRequest that asks for it."""
    prompt = {"bytes_contents": [record.prompt.encode()]}
    text = {"name": "text_input", "datatype": "BYTES", "shape": [1], "contents": prompt}
    stream = {"name": "stream", "datatype": "BOOL", "shape": [1], "contents": {"bool_contents": [record.stream]}}
    return MESSAGES["ModelInferRequest"](model_name=record.model, id=record.request_id, inputs=[text, stream])


def piece_of(answer: Any) -> Piece:
    """What a ModelInferResponse says; an answer of no such form is malformed."""
    said = {tensor.name: b"".join(tensor.contents.bytes_contents).decode() for tensor in answer.outputs}
    if "text_output" not in said:
        return Piece(error_class="malformed", error=f"an inference without text_output: {list(said)}")
    return Piece(text=said["text_output"], finish_reason=said.get("finish_reason") or None)


def piece_of_stream(answer: Any) -> Piece:
    """What a ModelStreamInferResponse says."""
    if answer.error_message:
        return Piece(error_class="error_event", error=answer.error_message)
    return piece_of(answer.infer_response)


def _call(kind: Any, name: str) -> Any:
    answer = MESSAGES["ModelStreamInferResponse" if "Stream" in name else "ModelInferResponse"]
    return kind(
        f"{_SERVICE}/{name}",
        request_serializer=MESSAGES["ModelInferRequest"].SerializeToString,
        response_deserializer=answer.FromString,
    )


def _messages() -> dict[str, Any]:
    """Protobuf's classes of `_FIELDS`, by name."""
    file = descriptor_pb2.FileDescriptorProto(name="kserve.proto", package=_PACKAGE, syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in _FIELDS.items():
        made = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            plain = kind.rstrip("*")
            field = made.field.add(name=name, number=number, label=kinds.LABEL_OPTIONAL)
            if kind != plain:
                field.label = kinds.LABEL_REPEATED
            if plain in _FIELDS:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{plain}"
            else:
                field.type = getattr(kinds, f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _FIELDS}


MESSAGES = _messages()
"""Classes of the protocol's messages, by name."""
