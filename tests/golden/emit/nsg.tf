# Allow rules of fwlens for a network security group, each a resource of its own.

variable "resource_group_name" {
  description = "The resource group of the network security group."
  type        = string
}

variable "network_security_group_name" {
  description = "The network security group that gets the rules."
  type        = string
}

resource "azurerm_network_security_rule" "fwlens-nsg-d02b00ecb6" {
  name                        = "fwlens-nsg-d02b00ecb6"
  resource_group_name         = var.resource_group_name
  network_security_group_name = var.network_security_group_name
  description                 = "fwlens: aml/storage-smb"
  priority                    = 3770
  direction                   = "Outbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_address_prefixes = [
    "10.20.1.4",
    "10.20.1.9",
  ]
  source_port_range = "*"
  destination_address_prefixes = [
    "10.20.5.8",
    "10.20.6.0/24",
  ]
  destination_port_ranges = [
    "445",
    "8000-8010",
  ]
}

resource "azurerm_network_security_rule" "fwlens-nsg-ed3c4d5fb2" {
  name                        = "fwlens-nsg-ed3c4d5fb2"
  resource_group_name         = var.resource_group_name
  network_security_group_name = var.network_security_group_name
  description                 = "fwlens: aml/batch"
  priority                    = 3168
  direction                   = "Outbound"
  access                      = "Allow"
  protocol                    = "Icmp"
  source_address_prefix       = "fd00::/64"
  source_port_range           = "*"
  destination_address_prefix  = "fd00:1::5"
  destination_port_range      = "*"
}

resource "azurerm_network_security_rule" "fwlens-nsg-02816b88b7" {
  name                        = "fwlens-nsg-02816b88b7"
  resource_group_name         = var.resource_group_name
  network_security_group_name = var.network_security_group_name
  description                 = "fwlens: aml/batch"
  priority                    = 3288
  direction                   = "Outbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_address_prefix       = "10.20.1.4/30"
  source_port_range           = "*"
  destination_address_prefix  = "BatchNodeManagement.WestEurope"
  destination_port_range      = "443"
}
