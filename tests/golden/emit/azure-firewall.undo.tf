# Takes the rules of fwlens back: put this file in the place of the one that added them.

removed {
  from = azurerm_firewall_policy_rule_collection_group.fwlens

  lifecycle {
    destroy = true
  }
}
