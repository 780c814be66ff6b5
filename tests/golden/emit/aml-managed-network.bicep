// Outbound rules of fwlens for the managed network of an Azure Machine Learning workspace.

@description('The workspace whose managed network gets the rules.')
param workspaceName string

resource target 'Microsoft.MachineLearningServices/workspaces@2025-06-01' existing = {
  name: workspaceName
}

resource fwlens_fqdn_e877099907 'Microsoft.MachineLearningServices/workspaces/outboundRules@2025-06-01' = {
  parent: target
  name: 'fwlens-fqdn-e877099907'
  properties: {
    type: 'FQDN'
    category: 'UserDefined'
    destination: '*.anaconda.org'
  }
}

resource fwlens_tag_7ff824566c 'Microsoft.MachineLearningServices/workspaces/outboundRules@2025-06-01' = {
  parent: target
  name: 'fwlens-tag-7ff824566c'
  properties: {
    type: 'ServiceTag'
    category: 'UserDefined'
    destination: {
      action: 'Allow'
      serviceTag: 'Storage.WestEurope'
      protocol: 'TCP'
      portRanges: '443, 8000-8010'
    }
  }
}
