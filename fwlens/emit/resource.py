"""Knows ARM resources, written as a JSON template (the reference) or as Bicep: one tree, two spellings.

https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax and .../bicep/data-types
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from fwlens.errors import FwlensError

RESOURCES: Final = 800
"""The most of a template (https://learn.microsoft.com/azure/azure-resource-manager/templates/best-practices)."""
SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Parameter:
    """The name of what is there already, which a template asks for."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: below a parent that exists (`parent_type`, named by a word or a parameter), or at a place."""

    symbol: str
    type: str
    version: str
    name: str
    properties: "Mapping[str, Value]"
    parent_type: str = ""
    parent: Parameter | str = ""
    has_place: bool = False
    after: "tuple[Resource, ...]" = ()


@dataclass(frozen=True, slots=True)
class IdOf:
    """The id of another resource of the same template."""

    resource: Resource


Value: TypeAlias = str | int | IdOf | Sequence["Value"] | Mapping[str, "Value"]


def arm(resources: Sequence[Resource], about: str) -> str:
    """The template as JSON, indented by two. Raises FwlensError for more than a template takes."""
    _prove_count(resources)
    asked = {
        parameter.name: {"type": "string", "metadata": {"description": parameter.about}}
        for parameter in _asked(resources)
    }
    document = {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "metadata": {"description": _arm_text(about)},
        "parameters": asked,
        "resources": [_arm_resource(one) for one in resources],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _prove_count(resources: Sequence[Resource]) -> None:
    if len(resources) > RESOURCES:
        raise FwlensError(
            f"A template takes {RESOURCES} resources, and these are {len(resources):,}: {resources[RESOURCES].name} is "
            "the first too many. Take --format az or terraform, or merge rules with --at-most."
        )


def _asked(resources: Sequence[Resource]) -> list[Parameter]:
    return list(dict.fromkeys(one.parent for one in resources if isinstance(one.parent, Parameter)))


def _arm_resource(one: Resource) -> dict[str, object]:
    if isinstance(one.parent, Parameter):
        name = f"[format('{{0}}/{one.name}', parameters('{one.parent.name}'))]"
    else:
        name = f"{one.parent}/{one.name}" if one.parent else one.name
    return {
        "type": one.type,
        "apiVersion": one.version,
        "name": name,
        **({"location": "[resourceGroup().location]"} if one.has_place else {}),
        **({"dependsOn": [_arm_id(each) for each in one.after]} if one.after else {}),
        "properties": arm_value(one.properties),
    }


def arm_value(value: Value) -> object:
    """A value as a template has it; a text that would be read as an expression is marked as text."""
    if isinstance(value, IdOf):
        return _arm_id(value.resource)
    if isinstance(value, Mapping):
        return {key: arm_value(each) for key, each in value.items()}
    if isinstance(value, str):
        return _arm_text(value)
    return value if isinstance(value, int) else [arm_value(each) for each in value]


def _arm_id(one: Resource) -> str:
    return f"[resourceId('{one.type}', '{one.name}')]"


def _arm_text(text: str) -> str:
    return f"[{text}" if text.startswith("[") else text


def bicep(resources: Sequence[Resource], about: str) -> str:
    """The same as Bicep. Raises FwlensError for more than a template takes."""
    _prove_count(resources)
    lines = [f"// {about}", ""]
    for parameter in _asked(resources):
        lines += [f"@description({_bicep_text(parameter.about)})", f"param {parameter.name} string", ""]
    for kind, version, parent in dict.fromkeys(
        (one.parent_type, one.version, one.parent) for one in resources if one.parent
    ):
        named = parent.name if isinstance(parent, Parameter) else _bicep_text(parent)
        lines += [f"resource target '{kind}@{version}' existing = {{", f"  name: {named}", "}", ""]
    for one in resources:
        lines += [f"resource {one.symbol} '{one.type}@{one.version}' = {{"]
        lines += ["  parent: target"] if one.parent else []
        lines += [f"  name: {_bicep_text(one.name)}"]
        lines += ["  location: resourceGroup().location"] if one.has_place else []
        lines += [*_bicep_member("properties", one.properties, "  "), "}", ""]
    return "\n".join(lines)


def _bicep_member(key: str, value: Value, indent: str) -> Iterator[str]:
    named = key if _IDENTIFIER.fullmatch(key) else _bicep_text(key)
    first, *rest = _bicep_value(value, indent)
    yield f"{indent}{named}: {first}"
    yield from rest


def _bicep_value(value: Value, indent: str) -> Iterator[str]:
    """The lines of a value; the first without its indent."""
    deeper = indent + "  "
    if isinstance(value, IdOf):
        yield f"{value.resource.symbol}.id"
    elif isinstance(value, str):
        yield _bicep_text(value)
    elif isinstance(value, int):
        yield str(value)
    elif isinstance(value, Mapping):
        yield "{"
        for key, each in value.items():
            yield from _bicep_member(key, each, deeper)
        yield indent + "}"
    else:
        yield "["
        for each in value:
            first, *rest = _bicep_value(each, deeper)
            yield deeper + first
            yield from rest
        yield indent + "]"


def _bicep_text(text: str) -> str:
    """A string literal; what is not printable ASCII is written by its code point."""
    marks = {"\\": "\\\\", "'": "\\'", "$": "\\$"}
    return "'" + "".join(marks.get(c) or (c if " " <= c <= "~" else f"\\u{{{ord(c):x}}}") for c in text) + "'"
