"""Documents as plain values, without members that say nothing but the default."""

from __future__ import annotations

from typing import Any

import msgspec

from causeway_wire.types import format_scalar


def of(value: Any) -> Any:
    """Return mappings, lists, text and numbers, which read again are an equal document."""
    if isinstance(value, msgspec.Struct):
        return dict(_members(value))
    if isinstance(value, tuple | list):
        return [of(item) for item in value]
    return msgspec.to_builtins(value, enc_hook=format_scalar)


def _members(value: msgspec.Struct) -> Any:
    config = value.__struct_config__
    if config.tag_field is not None:
        yield config.tag_field, config.tag
    for field in msgspec.structs.fields(value):
        inner = getattr(value, field.name)
        default = (
            field.default_factory()
            if field.default is msgspec.NODEFAULT and callable(field.default_factory)
            else field.default
        )
        if inner != default and inner is not msgspec.UNSET:
            yield field.encode_name, of(inner)
