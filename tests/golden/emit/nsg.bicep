// Allow rules of fwlens for a network security group, each a resource of its own.

@description('The network security group that gets the rules.')
param networkSecurityGroupName string

resource target 'Microsoft.Network/networkSecurityGroups@2024-05-01' existing = {
  name: networkSecurityGroupName
}

resource fwlens_nsg_d02b00ecb6 'Microsoft.Network/networkSecurityGroups/securityRules@2024-05-01' = {
  parent: target
  name: 'fwlens-nsg-d02b00ecb6'
  properties: {
    description: 'fwlens: aml/storage-smb'
    priority: 3770
    direction: 'Outbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefixes: [
      '10.20.1.4'
      '10.20.1.9'
    ]
    sourcePortRange: '*'
    destinationAddressPrefixes: [
      '10.20.5.8'
      '10.20.6.0/24'
    ]
    destinationPortRanges: [
      '445'
      '8000-8010'
    ]
  }
}

resource fwlens_nsg_ed3c4d5fb2 'Microsoft.Network/networkSecurityGroups/securityRules@2024-05-01' = {
  parent: target
  name: 'fwlens-nsg-ed3c4d5fb2'
  properties: {
    description: 'fwlens: aml/batch'
    priority: 3168
    direction: 'Outbound'
    access: 'Allow'
    protocol: 'Icmp'
    sourceAddressPrefix: 'fd00::/64'
    sourcePortRange: '*'
    destinationAddressPrefix: 'fd00:1::5'
    destinationPortRange: '*'
  }
}

resource fwlens_nsg_02816b88b7 'Microsoft.Network/networkSecurityGroups/securityRules@2024-05-01' = {
  parent: target
  name: 'fwlens-nsg-02816b88b7'
  properties: {
    description: 'fwlens: aml/batch'
    priority: 3288
    direction: 'Outbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefix: '10.20.1.4/30'
    sourcePortRange: '*'
    destinationAddressPrefix: 'BatchNodeManagement.WestEurope'
    destinationPortRange: '443'
  }
}
