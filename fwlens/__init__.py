"""fwlens: from denied flows in Azure's network logs to the fewest documented allow rules."""
