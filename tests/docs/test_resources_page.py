"""docs/conformance.md lists what the resource table serves."""

from pathlib import Path

from pinnace.api.resources import TABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"


def test_the_page_lists_every_resource_with_its_subresources() -> None:
    lines = PAGE.read_text().splitlines()
    for row in TABLE:
        group = "core/v1" if row.gvr.api_version == "v1" else row.gvr.api_version
        listed = next((line for line in lines if line.startswith(f"| {group} |")), "")
        names = ", ".join(sorted(sub.name for sub in row.subresources))
        told = f"{row.gvr.resource} ({names})" if names else row.gvr.resource
        assert told in listed.removeprefix(f"| {group} |").removesuffix("|"), told
