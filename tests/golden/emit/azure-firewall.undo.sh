#!/usr/bin/env bash
# Takes the rule collection group fwlens back.
set -euo pipefail
: "${FIREWALL_POLICY_ID:?the resource id of the firewall policy}"

az rest --method delete --url "$FIREWALL_POLICY_ID/ruleCollectionGroups/fwlens?api-version=2024-05-01"
