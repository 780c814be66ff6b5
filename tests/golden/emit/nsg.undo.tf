# Takes the rules of fwlens back: put this file in the place of the one that added them.

removed {
  from = azurerm_network_security_rule.fwlens-nsg-d02b00ecb6

  lifecycle {
    destroy = true
  }
}

removed {
  from = azurerm_network_security_rule.fwlens-nsg-ed3c4d5fb2

  lifecycle {
    destroy = true
  }
}

removed {
  from = azurerm_network_security_rule.fwlens-nsg-02816b88b7

  lifecycle {
    destroy = true
  }
}
