#!/usr/bin/env bash
# Allow rules of fwlens for Azure Firewall. Replaces the rule collection group fwlens, if there is one.
set -euo pipefail
: "${FIREWALL_POLICY_ID:?the resource id of the firewall policy}"

group="$FIREWALL_POLICY_ID/ruleCollectionGroups/fwlens?api-version=2024-05-01"
if [ "${REPLACE:-}" != yes ]; then
    if answer=$(az rest --method get --url "$group" --output none 2>&1); then
        echo 'There is a group fwlens already, and its rules would be replaced. Run with REPLACE=yes.' >&2
        exit 1
    elif [[ "$answer" != *NotFound* && "$answer" != *"Not Found"* ]]; then
        printf '%s\n' "$answer" >&2
        echo 'Whether there is a group fwlens already could not be found out, so nothing was written.' >&2
        exit 1
    fi
fi
body=$(mktemp)
trap 'rm -f "$body"' EXIT
cat > "$body" <<'JSON'
{
  "properties": {
    "priority": 3999,
    "ruleCollections": [
      {
        "ruleCollectionType": "FirewallPolicyFilterRuleCollection",
        "name": "fwlens-network",
        "priority": 1000,
        "action": {
          "type": "Allow"
        },
        "rules": [
          {
            "ruleType": "NetworkRule",
            "name": "fwlens-net-997408b80c",
            "description": "fwlens: aml/compute-management",
            "ipProtocols": [
              "UDP"
            ],
            "sourceAddresses": [
              "10.20.1.4",
              "10.20.1.9"
            ],
            "destinationAddresses": [
              "203.0.113.0/28",
              "AzureMachineLearning"
            ],
            "destinationPorts": [
              "443",
              "5831"
            ]
          },
          {
            "ruleType": "NetworkRule",
            "name": "fwlens-net-e01b279569",
            "description": "fwlens: ubuntu/time",
            "ipProtocols": [
              "TCP",
              "UDP"
            ],
            "sourceAddresses": [
              "10.20.1.4"
            ],
            "destinationFqdns": [
              "ntp.ubuntu.com"
            ],
            "destinationPorts": [
              "123"
            ]
          }
        ]
      },
      {
        "ruleCollectionType": "FirewallPolicyFilterRuleCollection",
        "name": "fwlens-application",
        "priority": 2000,
        "action": {
          "type": "Allow"
        },
        "rules": [
          {
            "ruleType": "ApplicationRule",
            "name": "fwlens-app-aaafd25090",
            "description": "fwlens: aml/sql",
            "protocols": [
              {
                "protocolType": "Https",
                "port": 8443
              },
              {
                "protocolType": "Mssql",
                "port": 1433
              }
            ],
            "sourceAddresses": [
              "10.20.1.4"
            ],
            "targetFqdns": [
              "data.database.windows.net"
            ]
          },
          {
            "ruleType": "ApplicationRule",
            "name": "fwlens-app-0eae1e7ced",
            "description": "fwlens: hf/hub, packages/conda",
            "protocols": [
              {
                "protocolType": "Https",
                "port": 443
              }
            ],
            "sourceAddresses": [
              "10.20.1.4/30"
            ],
            "targetFqdns": [
              "huggingface.co",
              "*.anaconda.org"
            ]
          }
        ]
      }
    ]
  }
}
JSON
az rest --method put --url "$group" --body "@$body" --output none
az resource wait --ids "$FIREWALL_POLICY_ID/ruleCollectionGroups/fwlens" --api-version 2024-05-01 --updated
