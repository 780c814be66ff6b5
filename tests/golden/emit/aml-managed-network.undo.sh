#!/usr/bin/env bash
# Takes the rules of fwlens back.
set -euo pipefail
: "${RESOURCE_GROUP:?the resource group of the workspace}"
: "${WORKSPACE:?the name of the workspace}"

az ml workspace outbound-rule remove \
    --resource-group "$RESOURCE_GROUP" \
    --workspace-name "$WORKSPACE" \
    --rule fwlens-fqdn-e877099907 \
    --yes
az ml workspace outbound-rule remove \
    --resource-group "$RESOURCE_GROUP" \
    --workspace-name "$WORKSPACE" \
    --rule fwlens-tag-7ff824566c \
    --yes
