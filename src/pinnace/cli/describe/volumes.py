"""The volumes of a pod or template."""

from collections.abc import Callable
from typing import Any

from pinnace.cli.describe.writer import Writer

Object = dict[str, Any]


def write_volumes(writer: Writer, volumes: list[Object], *, indent: str = "") -> None:
    if not volumes:
        writer.line(f"{indent}Volumes:\t<none>")
        return
    writer.line(f"{indent}Volumes:")
    for volume in volumes:
        writer.line(f"{' ' if indent else ''}{volume['name']}:", 1)
        for line in _lines(volume):
            writer.line(line, 2)


def source_lines(spec: Object) -> list[str]:
    """Where the storage of a PersistentVolume lies."""
    kind = next((one for one in _PERSISTENT if spec.get(one) is not None), "")
    return (
        _PERSISTENT[kind](spec[kind])
        if kind
        else _lines({key: spec[key] for key in spec if _is_source(spec, key)})
    )


def _is_source(spec: Object, key: str) -> bool:
    return isinstance(spec[key], dict) and key not in ("capacity", "claimRef", "nodeAffinity")


def _lines(volume: Object) -> list[str]:
    for source, describe in _KINDS.items():
        if volume.get(source) is not None:
            return describe(volume[source])
    kind = next((part for part in volume if part != "name"), "")
    return [f"Type:\t{kind}"] if kind else ["<unknown>"]


def _host_path(source: Object) -> list[str]:
    return [
        "Type:\tHostPath (bare host directory volume)",
        f"Path:\t{source['path']}",
        f"HostPathType:\t{source.get('type', '')}",
    ]


def _empty_dir(source: Object) -> list[str]:
    return [
        "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)",
        f"Medium:\t{source.get('medium', '')}",
        f"SizeLimit:\t{source.get('sizeLimit') or '<unset>'}",
    ]


def _secret(source: Object) -> list[str]:
    return [
        "Type:\tSecret (a volume populated by a Secret)",
        f"SecretName:\t{source.get('secretName', '')}",
        f"Optional:\t{_boolean(source.get('optional'))}",
    ]


def _config_map(source: Object) -> list[str]:
    return [
        "Type:\tConfigMap (a volume populated by a ConfigMap)",
        f"Name:\t{source.get('name', '')}",
        f"Optional:\t{_boolean(source.get('optional'))}",
    ]


def _claim(source: Object) -> list[str]:
    return [
        "Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        f"ClaimName:\t{source['claimName']}",
        f"ReadOnly:\t{_boolean(source.get('readOnly'))}",
    ]


def _downward(source: Object) -> list[str]:
    lines = ["Type:\tDownwardAPI (a volume populated by information about the pod)", "Items:"]
    for item in source.get("items") or ():
        field = (item.get("fieldRef") or {}).get("fieldPath") or (item.get("resourceFieldRef") or {}).get(
            "resource"
        )
        lines.append(f"  {field} -> {item['path']}")
    return lines


def _projected(source: Object) -> list[str]:
    lines = ["Type:\tProjected (a volume that contains injected data from multiple sources)"]
    for part in source.get("sources") or ():
        if part.get("secret"):
            optional = part["secret"].get("optional")
            lines.append(f"SecretName:\t{part['secret'].get('name', '')}")
            lines.append(f"Optional:\t{_boolean(optional)}")
        elif part.get("downwardAPI"):
            lines.append("DownwardAPI:\ttrue")
        elif part.get("configMap"):
            lines.append(f"ConfigMapName:\t{part['configMap'].get('name', '')}")
            lines.append(f"Optional:\t{_boolean(part['configMap'].get('optional'))}")
        elif part.get("serviceAccountToken"):
            lines.append(
                f"TokenExpirationSeconds:\t{part['serviceAccountToken'].get('expirationSeconds', 3600)}"
            )
    return lines


def _ephemeral(source: Object) -> list[str]:
    template = source.get("volumeClaimTemplate") or {}
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    writer = Writer()
    writer.line(
        "Type:\tEphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)"
    )
    writer.line(f"StorageClass:\t{spec.get('storageClassName', '')}")
    writer.line("Volume:\t")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line("Capacity:\t")
    writer.line("Access Modes:\t")
    if spec.get("volumeMode"):
        writer.line(f"VolumeMode:\t{spec['volumeMode']}")
    return writer.unaligned().splitlines()


def _local(source: Object) -> list[str]:
    return [
        "Type:\tLocalVolume (a persistent volume backed by local storage on a node)",
        f"Path:\t{source['path']}",
    ]


def _nfs(source: Object) -> list[str]:
    return [
        "Type:\tNFS (an NFS mount that lasts the lifetime of a pod)",
        f"Server:\t{source.get('server', '')}",
        f"Path:\t{source.get('path', '')}",
        f"ReadOnly:\t{_boolean(source.get('readOnly'))}",
    ]


def _csi(source: Object) -> list[str]:
    handle = [f"VolumeHandle:\t{source['volumeHandle']}"] if "volumeHandle" in source else []  # not in pods
    lines = [
        "Type:\tCSI (a Container Storage Interface (CSI) volume source)",
        f"Driver:\t{source['driver']}",
        f"FSType:\t{source.get('fsType', '')}",
        *handle,
        f"ReadOnly:\t{_boolean(source.get('readOnly'))}",
    ]
    attributes = sorted((source.get("volumeAttributes") or {}).items())
    if not attributes:
        return [*lines, "VolumeAttributes:\t<none>"]
    titles = ["VolumeAttributes:", *["    "] * (len(attributes) - 1)]
    return lines + [
        f"{title}\t    {key}={value}" for title, (key, value) in zip(titles, attributes, strict=True)
    ]


def _iscsi(source: Object) -> list[str]:
    secret = (source.get("secretRef") or {}).get("name")
    return [
        "Type:\tISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)",
        f"TargetPortal:\t{source.get('targetPortal', '')}",
        f"IQN:\t{source.get('iqn', '')}",
        f"Lun:\t{source.get('lun', 0)}",
        f"ISCSIInterface\t{source.get('iscsiInterface', '')}",
        f"FSType:\t{source.get('fsType', '')}",
        f"ReadOnly:\t{_boolean(source.get('readOnly'))}",
        f"Portals:\t[{' '.join(source.get('portals') or ())}]",
        f"DiscoveryCHAPAuth:\t{_boolean(source.get('chapAuthDiscovery'))}",
        f"SessionCHAPAuth:\t{_boolean(source.get('chapAuthSession'))}",
        f"SecretRef:\t{f'&LocalObjectReference{{Name:{secret},}}' if secret else 'nil'}",
        f"InitiatorName:\t{source.get('initiatorName') or '<none>'}",
    ]


def _image(source: Object) -> list[str]:
    return [
        "Type:\tImage (a container image or OCI artifact)",
        f"Reference:\t{source.get('reference', '')}",
        f"PullPolicy:\t{source.get('pullPolicy', '')}",
    ]


def _boolean(value: Any) -> str:
    return "true" if value else "false"


_KINDS: dict[str, Callable[[Object], list[str]]] = {
    "hostPath": _host_path,
    "emptyDir": _empty_dir,
    "secret": _secret,
    "configMap": _config_map,
    "persistentVolumeClaim": _claim,
    "ephemeral": _ephemeral,
    "nfs": _nfs,
    "downwardAPI": _downward,
    "projected": _projected,
    "csi": _csi,
    "iscsi": _iscsi,
    "image": _image,
}
_PERSISTENT: dict[str, Callable[[Object], list[str]]] = {
    "hostPath": _host_path,
    "local": _local,
    "nfs": _nfs,
    "csi": _csi,
}
