#!/usr/bin/env bash
# Outbound rules of fwlens for the managed network of an Azure Machine Learning workspace.
set -euo pipefail
: "${RESOURCE_GROUP:?the resource group of the workspace}"
: "${WORKSPACE:?the name of the workspace}"

# fwlens: packages/conda
az ml workspace outbound-rule set \
    --resource-group "$RESOURCE_GROUP" \
    --workspace-name "$WORKSPACE" \
    --rule fwlens-fqdn-e877099907 \
    --type fqdn \
    --destination '*.anaconda.org'

# fwlens: aml/storage
az ml workspace outbound-rule set \
    --resource-group "$RESOURCE_GROUP" \
    --workspace-name "$WORKSPACE" \
    --rule fwlens-tag-7ff824566c \
    --type service_tag \
    --service-tag Storage.WestEurope \
    --protocol TCP \
    --port-ranges '443, 8000-8010'
