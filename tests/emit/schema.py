"""What Azure publishes about the resources that are written, closed: a property that is not here is a fault.

Firewall and NSG: API 2024-05-01 of Microsoft.Network; outbound rules: Microsoft.MachineLearningServices.
"""

from typing import Any, Final

_WORD: Final = {"type": "string", "minLength": 1}
_WORDS: Final = {"type": "array", "items": _WORD, "minItems": 1, "uniqueItems": True}
_SHORT: Final = {"type": "string", "minLength": 1, "maxLength": 140}
_NAME: Final = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,78}[A-Za-z0-9_]$"}
_PORT: Final = {"type": "string", "pattern": r"^(\*|[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?)$"}
_PORTS: Final = {"type": "array", "items": _PORT, "minItems": 1, "uniqueItems": True}


def _closed(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [key for key in properties if key not in optional],
        "additionalProperties": False,
    }


def _resource(kind: str, version: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _closed(
        {
            "type": {"const": kind},
            "apiVersion": {"const": version},
            "name": {"type": "string", "pattern": r"^(place/)?[A-Za-z0-9][A-Za-z0-9_-]{2,32}$"},
            "properties": properties,
            **more,
        },
        optional=("dependsOn",),
    )


_PROTOCOL: Final = _closed(
    {"protocolType": {"enum": ["Http", "Https", "Mssql"]}, "port": {"type": "integer", "minimum": 1, "maximum": 64000}}
)
_SOURCES: Final = {"sourceAddresses": _WORDS, "sourceIpGroups": _WORDS}
_APPLICATION: Final = _closed(
    {
        "ruleType": {"const": "ApplicationRule"},
        "name": _NAME,
        "description": _SHORT,
        "protocols": {"type": "array", "items": _PROTOCOL, "minItems": 1},
        "targetFqdns": _WORDS,
        **_SOURCES,
    },
    optional=tuple(_SOURCES),
)
_NETWORK: Final = _closed(
    {
        "ruleType": {"const": "NetworkRule"},
        "name": _NAME,
        "description": _SHORT,
        "ipProtocols": {"type": "array", "items": {"enum": ["TCP", "UDP", "ICMP"]}, "minItems": 1, "uniqueItems": True},
        "destinationAddresses": _WORDS,
        "destinationFqdns": _WORDS,
        "destinationPorts": _PORTS,
        **_SOURCES,
    },
    optional=("destinationAddresses", "destinationFqdns", *_SOURCES),
)
_COLLECTION: Final = _closed(
    {
        "ruleCollectionType": {"const": "FirewallPolicyFilterRuleCollection"},
        "name": _NAME,
        "priority": {"type": "integer", "minimum": 100, "maximum": 65000},
        "action": _closed({"type": {"const": "Allow"}}),
        "rules": {"type": "array", "items": {"oneOf": [_APPLICATION, _NETWORK]}, "minItems": 1},
    }
)
_GROUP: Final = _resource(
    "Microsoft.Network/firewallPolicies/ruleCollectionGroups",
    "2024-05-01",
    _closed(
        {
            "priority": {"type": "integer", "minimum": 100, "maximum": 65000},
            "ruleCollections": {"type": "array", "items": _COLLECTION, "minItems": 1},
        }
    ),
    dependsOn=_WORDS,
)
_IP_GROUP: Final = _resource(
    "Microsoft.Network/ipGroups", "2024-05-01", _closed({"ipAddresses": _WORDS}), location=_WORD
)
_ENDS: Final = {
    "sourceAddressPrefix": _WORD,
    "sourceAddressPrefixes": _WORDS,
    "destinationAddressPrefix": _WORD,
    "destinationAddressPrefixes": _WORDS,
    "destinationPortRange": _PORT,
    "destinationPortRanges": _PORTS,
}
_SECURITY_RULE: Final = _resource(
    "Microsoft.Network/networkSecurityGroups/securityRules",
    "2024-05-01",
    _closed(
        {
            "description": _SHORT,
            "priority": {"type": "integer", "minimum": 100, "maximum": 4096},
            "direction": {"enum": ["Inbound", "Outbound"]},
            "access": {"const": "Allow"},
            "protocol": {"enum": ["Tcp", "Udp", "Icmp", "Esp", "Ah"]},
            "sourcePortRange": {"const": "*"},
            **_ENDS,
        },
        optional=tuple(_ENDS),
    ),
)
_FQDN: Final = _closed({"type": {"const": "FQDN"}, "category": {"const": "UserDefined"}, "destination": _WORD})
_TAG: Final = _closed(
    {
        "type": {"const": "ServiceTag"},
        "category": {"const": "UserDefined"},
        "destination": _closed(
            {
                "action": {"const": "Allow"},
                "serviceTag": _WORD,
                "protocol": {"enum": ["TCP", "UDP", "ICMP"]},
                "portRanges": _WORD,
            }
        ),
    }
)
_OUTBOUND: Final = _resource(
    "Microsoft.MachineLearningServices/workspaces/outboundRules", "2025-06-01", {"oneOf": [_FQDN, _TAG]}
)
TEMPLATE: Final = _closed(
    {
        "$schema": {"const": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"},
        "contentVersion": {"const": "1.0.0.0"},
        "metadata": _closed({"description": _WORD}),
        "parameters": {"type": "object"},
        "resources": {
            "type": "array",
            "items": {"oneOf": [_GROUP, _IP_GROUP, _SECURITY_RULE, _OUTBOUND]},
            "minItems": 1,
        },
    }
)
