#!/usr/bin/env bash
# Takes the rules of fwlens back.
set -euo pipefail
: "${RESOURCE_GROUP:?the resource group of the NSG}"
: "${NSG:?the name of the network security group}"

az network nsg rule delete \
    --resource-group "$RESOURCE_GROUP" \
    --nsg-name "$NSG" \
    --name fwlens-nsg-d02b00ecb6
az network nsg rule delete \
    --resource-group "$RESOURCE_GROUP" \
    --nsg-name "$NSG" \
    --name fwlens-nsg-ed3c4d5fb2
az network nsg rule delete \
    --resource-group "$RESOURCE_GROUP" \
    --nsg-name "$NSG" \
    --name fwlens-nsg-02816b88b7
