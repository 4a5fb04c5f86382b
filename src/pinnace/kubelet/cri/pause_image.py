"""The sandbox ("pause") image, made from bytes: no download, no compiler.

The one program in it holds a pod's namespaces open. As process 1 it has two duties: end on SIGTERM or SIGINT, and reap
children that were orphaned to it when pods share a process namespace. It blocks SIGTERM, SIGINT and SIGCHLD and waits for
them (a blocked signal reaches even process 1, which needs no handlers then), in about 100 bytes of machine code for each
architecture, without a C library.
"""

import hashlib
import io
import json
import os
import struct
import tarfile
from dataclasses import dataclass

REFERENCE = "pinnace.local/pause:1"
SIGNALS = 1 << (15 - 1) | 1 << (2 - 1) | 1 << (17 - 1)  # SIGTERM, SIGINT, SIGCHLD as a kernel signal set
LOAD_ADDRESS = 0x400000
HEADERS = 64 + 56  # one ELF header, one program header

X86_64 = bytes.fromhex(
    "488d1d58000000"  # lea rbx, [signals]
    "b80e00000031ff4889de31d241ba080000000f05"  # rt_sigprocmask(SIG_BLOCK, rbx, NULL, 8)
    "b8800000004889df31f631d241ba080000000f05"  # wait: eax = rt_sigtimedwait(rbx, NULL, NULL, 8)
    "83f811740d"  # cmp eax, SIGCHLD; je reap
    "85c078e3"  # test eax, eax; js wait (interrupted)
    "b8e700000031ff0f05"  # exit_group(0)
    "b83d00000048c7c7ffffffff31f6ba010000004531d20f05"  # reap: eax = wait4(-1, NULL, WNOHANG, NULL)
    "85c07fe4"  # test eax, eax; jg reap
    "ebbc"  # jmp wait
)

AARCH64 = struct.pack(
    "<28I",
    *(0x10000393,),  # adr x19, signals
    *(0xD2800000, 0xAA1303E1, 0xD2800002, 0xD2800103, 0xD28010E8, 0xD4000001),  # rt_sigprocmask(0, x19, 0, 8)
    *(0xAA1303E0, 0xD2800001, 0xD2800002, 0xD2800103, 0xD2801128, 0xD4000001),  # wait: rt_sigtimedwait
    *(0x7100441F, 0x540000A0),  # cmp w0, SIGCHLD; b.eq reap
    *(0x37FFFF00,),  # tbnz w0, 31, wait (interrupted)
    *(0xD2800000, 0xD2800BC8, 0xD4000001),  # exit_group(0)
    *(0x92800000, 0xD2800001, 0xD2800022, 0xD2800003, 0xD2802088, 0xD4000001),  # reap: wait4(-1, 0, WNOHANG, 0)
    *(0x7100001F, 0x54FFFF2C),  # cmp w0, 0; b.gt reap
    *(0x17FFFFEC,),  # b wait
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Architecture:
    """`oci` is the name in image configurations; `elf` the e_machine number."""

    oci: str
    elf: int
    code: bytes


ARCHITECTURES = {
    "x86_64": Architecture("amd64", 62, X86_64),
    "aarch64": Architecture("arm64", 183, AARCH64),
}


def this_machine() -> str:
    return os.uname().machine


def executable(machine: str) -> bytes:
    """A static ELF program; raises ValueError for an architecture without code here."""
    if machine not in ARCHITECTURES:
        raise ValueError(f"no pause program for the architecture {machine}")
    architecture = ARCHITECTURES[machine]
    body = architecture.code + struct.pack("<Q", SIGNALS)
    size, entry = HEADERS + len(body), LOAD_ADDRESS + HEADERS
    ident = b"\x7fELF" + bytes((2, 1, 1, 0)) + bytes(8)  # 64 bits, little endian, version 1, System V
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, 2, architecture.elf, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    loadable, read_execute = 1, 5
    segment = struct.pack(
        "<IIQQQQQQ", loadable, read_execute, 0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, 0x1000
    )
    return header + segment + body


def image_archive(reference: str = REFERENCE, machine: str = "") -> bytes:
    """An OCI image layout in a tar file, as `ctr images import` takes it."""
    machine = machine or this_machine()
    layer = _tar({"pause": (executable(machine), 0o755)})
    config = {
        "architecture": ARCHITECTURES[machine].oci,
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "WorkingDir": "/", "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        "history": [{"created_by": "pinnace"}],
    }
    blobs = [layer, json.dumps(config).encode()]
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _descriptor("application/vnd.oci.image.config.v1+json", blobs[1]),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    }
    blobs.append(json.dumps(manifest).encode())
    entry = _descriptor("application/vnd.oci.image.manifest.v1+json", blobs[2])
    entry["annotations"] = {"io.containerd.image.name": reference}
    index = {"schemaVersion": 2, "manifests": [entry]}
    files = {f"blobs/sha256/{_digest(blob)[7:]}": (blob, 0o644) for blob in blobs}
    files["index.json"] = (json.dumps(index).encode(), 0o644)
    files["oci-layout"] = (b'{"imageLayoutVersion": "1.0.0"}', 0o644)
    return _tar(files)


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
