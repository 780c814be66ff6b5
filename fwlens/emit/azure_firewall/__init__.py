"""Knows how rules are added to a policy of Azure Firewall: one rule collection group of our own, and no other touched.

A template, a PUT and Terraform all write a whole group, so what is in a group of that name already is replaced.
https://learn.microsoft.com/azure/firewall/rule-processing
"""

import json
from collections.abc import Iterator
from typing import Final

from fwlens.emit import hcl, shell
from fwlens.emit.azure_firewall import terraform
from fwlens.emit.azure_firewall.limits import prove
from fwlens.emit.azure_firewall.shape import ABOUT, VERSION, ip_groups, properties, resources
from fwlens.emit.platform import OWN, Form, Options, Recommended, Target, by_kind
from fwlens.emit.resource import arm, bicep
from fwlens.errors import FwlensError
from fwlens.rule import Recommendation

NAMES: Final = 1000
"""Names in network rules up to which a firewall performs well."""
_POLICY_ID: Final = shell.Variable("FIREWALL_POLICY_ID", "the resource id of the firewall policy")
_ID: Final = f'"$FIREWALL_POLICY_ID/ruleCollectionGroups/{OWN}"'
_URL: Final = f'"$FIREWALL_POLICY_ID/ruleCollectionGroups/{OWN}?api-version={VERSION}"'


def remarks(recommendations: Recommended, options: Options) -> tuple[str, ...]:
    """What a template cannot say by itself."""
    return (
        *_about_denials(recommendations, options),
        *_about_names(recommendations),
        f"The group {OWN} is written whole: give `fwlens emit` the earlier answers as well to keep their rules in it. "
        "It is one of the 60 rule collection groups that a policy takes (newer documents may say more).",
    )


def _about_denials(recommendations: Recommended, options: Options) -> Iterator[str]:
    denied = [one for one in recommendations if one.evidence.denied_by and _at_a_firewall(one)]
    if denied and options.priority_below is None:
        yield (
            f"{_ids(denied)}: denied by a named rule. If that is a rule of this firewall, say the priority of its "
            "group with --priority-below, or these rules come too late."
        )
    application = [one for one in denied if one.rule.layer == "application"]
    if application:
        yield (
            f"{_ids(application)}: no priority helps an application rule against a network rule that denies, nor any "
            "rule against one of the parent policy: Azure Firewall tries those first."
        )


def _about_names(recommendations: Recommended) -> Iterator[str]:
    # https://learn.microsoft.com/azure/firewall/fqdn-filtering-network-rules and .../sql-fqdn-filtering
    hosts = [one for one in recommendations if one.rule.layer == "network" and "host" in by_kind(one.rule.destinations)]
    if hosts:
        count = len({end for one in hosts for end in one.rule.destinations if end.kind == "host"})
        yield (
            f"{_ids(hosts)}: a name in a network rule needs the policy's DNS proxy, with clients that ask it, and a "
            "policy that is not Basic."
        )
        if count > NAMES:
            yield f"Names in network rules: {count:,}; above {NAMES:,} a firewall slows down."
    sql = [one for one in recommendations if any(each.protocol == "mssql" for each in one.rule.services)]
    if sql:
        yield f"{_ids(sql)}: a name is known to SQL in proxy mode only; redirect mode needs a network rule for tag:Sql."


def _at_a_firewall(one: Recommendation) -> bool:
    devices = one.evidence.devices
    return not devices or any("/azurefirewalls/" in device.casefold() for device in devices)


def _ids(found: Recommended) -> str:
    return ", ".join(one.rule.id for one in found[:3]) + (", …" if len(found) > 3 else "")


def _arm(recommendations: Recommended, options: Options) -> str:
    return arm(resources(recommendations, options), ABOUT)


def _bicep(recommendations: Recommended, options: Options) -> str:
    return bicep(resources(recommendations, options), ABOUT)


def _az(recommendations: Recommended, options: Options) -> str:
    if options.ip_groups:
        raise FwlensError("A script cannot make IP groups in one write: take --format arm, bicep or terraform.")
    body = json.dumps({"properties": properties(recommendations, options)}, indent=2, ensure_ascii=True)
    lines = [
        f"group={_URL}",
        'if [ "${REPLACE:-}" != yes ]; then',
        '    if answer=$(az rest --method get --url "$group" --output none 2>&1); then',
        f"        echo 'There is a group {OWN} already, and its rules would be replaced. Run with REPLACE=yes.' >&2",
        "        exit 1",
        '    elif [[ "$answer" != *NotFound* && "$answer" != *"Not Found"* ]]; then',
        "        printf '%s\\n' \"$answer\" >&2",
        f"        echo 'Whether there is a group {OWN} already could not be found out, so nothing was written.' >&2",
        "        exit 1",
        "    fi",
        "fi",
        "body=$(mktemp)",
        "trap 'rm -f \"$body\"' EXIT",
        "cat > \"$body\" <<'JSON'",
        *body.splitlines(),
        "JSON",
        'az rest --method put --url "$group" --body "@$body" --output none',
        f"az resource wait --ids {_ID} --api-version {VERSION} --updated",
    ]
    return shell.script(ABOUT, [_POLICY_ID], lines)


def _undo(_: Recommended, options: Options) -> str:
    lines = [f"az rest --method delete --url {_URL}"]
    if options.ip_groups:
        lines.append("# The IP groups stay: delete them when no rule names them any more.")
    return shell.script(f"Takes the rule collection group {OWN} back.", [_POLICY_ID], lines)


def _undo_terraform(recommendations: Recommended, options: Options) -> str:
    groups = [f"azurerm_ip_group.{group.symbol}" for group in ip_groups(recommendations, options).values()]
    return hcl.removed([f"azurerm_firewall_policy_rule_collection_group.{OWN}", *groups])


TARGET: Final = Target(
    "azure-firewall",
    prove,
    remarks,
    {
        "arm": Form("arm.json", _arm, "undo.sh", _undo),
        "bicep": Form("bicep", _bicep, "undo.sh", _undo),
        "terraform": Form("tf", terraform.render, "tf.undo", _undo_terraform),
        "az": Form("sh", _az, "undo.sh", _undo),
    },
)
