#!/usr/bin/env bash
# Allow rules of fwlens for a network security group, each a resource of its own.
set -euo pipefail
: "${RESOURCE_GROUP:?the resource group of the NSG}"
: "${NSG:?the name of the network security group}"

az network nsg rule create \
    --resource-group "$RESOURCE_GROUP" \
    --nsg-name "$NSG" \
    --name fwlens-nsg-d02b00ecb6 \
    --priority 3770 \
    --direction Outbound \
    --access Allow \
    --protocol Tcp \
    --source-address-prefixes 10.20.1.4 10.20.1.9 \
    --source-port-ranges '*' \
    --destination-address-prefixes 10.20.5.8 10.20.6.0/24 \
    --destination-port-ranges 445 8000-8010 \
    --description 'fwlens: aml/storage-smb' \
    --output none

az network nsg rule create \
    --resource-group "$RESOURCE_GROUP" \
    --nsg-name "$NSG" \
    --name fwlens-nsg-ed3c4d5fb2 \
    --priority 3168 \
    --direction Outbound \
    --access Allow \
    --protocol Icmp \
    --source-address-prefixes fd00::/64 \
    --source-port-ranges '*' \
    --destination-address-prefixes fd00:1::5 \
    --destination-port-ranges '*' \
    --description 'fwlens: aml/batch' \
    --output none

az network nsg rule create \
    --resource-group "$RESOURCE_GROUP" \
    --nsg-name "$NSG" \
    --name fwlens-nsg-02816b88b7 \
    --priority 3288 \
    --direction Outbound \
    --access Allow \
    --protocol Tcp \
    --source-address-prefixes 10.20.1.4/30 \
    --source-port-ranges '*' \
    --destination-address-prefixes BatchNodeManagement.WestEurope \
    --destination-port-ranges 443 \
    --description 'fwlens: aml/batch' \
    --output none
