# Allow rules of fwlens for Azure Firewall. Replaces the rule collection group fwlens, if there is one.

variable "firewall_policy_id" {
  description = "Resource id of the firewall policy that gets the group."
  type        = string
}

resource "azurerm_firewall_policy_rule_collection_group" "fwlens" {
  name               = "fwlens"
  firewall_policy_id = var.firewall_policy_id
  priority           = 3999

  network_rule_collection {
    name     = "fwlens-network"
    priority = 1000
    action   = "Allow"

    rule {
      name        = "fwlens-net-997408b80c"
      description = "fwlens: aml/compute-management"
      source_addresses = [
        "10.20.1.4",
        "10.20.1.9",
      ]
      protocols = [
        "UDP",
      ]
      destination_addresses = [
        "203.0.113.0/28",
        "AzureMachineLearning",
      ]
      destination_ports = [
        "443",
        "5831",
      ]
    }

    rule {
      name        = "fwlens-net-e01b279569"
      description = "fwlens: ubuntu/time"
      source_addresses = [
        "10.20.1.4",
      ]
      protocols = [
        "TCP",
        "UDP",
      ]
      destination_fqdns = [
        "ntp.ubuntu.com",
      ]
      destination_ports = [
        "123",
      ]
    }
  }

  application_rule_collection {
    name     = "fwlens-application"
    priority = 2000
    action   = "Allow"

    rule {
      name        = "fwlens-app-aaafd25090"
      description = "fwlens: aml/sql"
      source_addresses = [
        "10.20.1.4",
      ]
      destination_fqdns = [
        "data.database.windows.net",
      ]

      protocols {
        type = "Https"
        port = 8443
      }

      protocols {
        type = "Mssql"
        port = 1433
      }
    }

    rule {
      name        = "fwlens-app-0eae1e7ced"
      description = "fwlens: hf/hub, packages/conda"
      source_addresses = [
        "10.20.1.4/30",
      ]
      destination_fqdns = [
        "huggingface.co",
        "*.anaconda.org",
      ]

      protocols {
        type = "Https"
        port = 443
      }
    }
  }
}
