"""Knows how Terraform's language is written, in the layout of `terraform fmt`.

https://developer.hashicorp.com/terraform/language/syntax/configuration
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Expression:
    """Text of ours that is code, such as `var.firewall_policy_id`; never a word from elsewhere."""

    code: str


Value: TypeAlias = str | int | Expression | Sequence["str | Expression"]


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its type, its labels, its attributes, and the blocks within."""

    type: str
    labels: tuple[str, ...] = ()
    attributes: tuple[tuple[str, Value], ...] = ()
    blocks: "tuple[Block, ...]" = ()


def write(blocks: Sequence[Block], about: str) -> str:
    """The blocks, each after an empty line, below a comment."""
    return "\n".join(
        [f"# {about}", "", *"\n\n".join("\n".join(_lines(block, "")) for block in blocks).splitlines(), ""]
    )


def _lines(block: Block, indent: str) -> Iterator[str]:
    deeper = indent + "  "
    yield indent + " ".join([block.type, *map(text, block.labels), "{"])
    for is_list, attributes in groupby(block.attributes, key=lambda pair: _is_list(pair[1])):
        run = list(attributes)
        width = 0 if is_list else max(len(name) for name, _ in run)
        for name, value in run:
            yield from _attribute(name.ljust(width), value, deeper)
    for i, inner in enumerate(block.blocks):
        if i or block.attributes:
            yield ""
        yield from _lines(inner, deeper)
    yield indent + "}"


def _is_list(value: Value) -> bool:
    return not isinstance(value, str | int | Expression)


def _attribute(name: str, value: Value, indent: str) -> Iterator[str]:
    if isinstance(value, str | int | Expression):
        yield f"{indent}{name} = {_scalar(value)}"
        return
    yield f"{indent}{name} = ["
    yield from (f"{indent}  {_scalar(each)}," for each in value)
    yield f"{indent}]"


def _scalar(value: str | int | Expression) -> str:
    if isinstance(value, Expression):
        return value.code
    return text(value) if isinstance(value, str) else str(value)


def text(word: str) -> str:
    """A quoted template that holds no template: `${` and `%{` are text, and only printable ASCII stands as it is."""
    marks = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    spelled = "".join(marks.get(c) or (c if " " <= c <= "~" else _code_point(c)) for c in word)
    return '"' + spelled.replace("${", "$${").replace("%{", "%%{") + '"'


def _code_point(c: str) -> str:
    return f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}"


def variable(name: str, about: str) -> Block:
    """A variable of text."""
    return Block("variable", (name,), (("description", about), ("type", Expression("string"))))


def removed(addresses: Sequence[str]) -> str:
    """Terraform's own way to take resources back: `removed` blocks in their place, never beside them."""
    lifecycle = Block("lifecycle", (), (("destroy", Expression("true")),))
    blocks = [Block("removed", (), (("from", Expression(each)),), (lifecycle,)) for each in addresses]
    return write(blocks, "Takes the rules of fwlens back: put this file in the place of the one that added them.")
