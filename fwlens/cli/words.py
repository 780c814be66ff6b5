"""Knows the words that options choose from."""

from enum import StrEnum


class Form(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"


class FlowsForm(StrEnum):
    """How flows are printed; Parquet is a log for a later run."""

    TABLE = "table"
    JSON = "json"
    PARQUET = "parquet"


class Artefact(StrEnum):
    """The forms in which rules are applied, or asked for."""

    ARM = "arm"
    BICEP = "bicep"
    TERRAFORM = "terraform"
    AZ = "az"
    YAML = "yaml"
    CSV = "csv"
    MARKDOWN = "markdown"


class AnswerForm(StrEnum):
    """How an answer is printed, or its rules written."""

    TABLE = "table"
    JSON = "json"
    ARM = "arm"
    BICEP = "bicep"
    TERRAFORM = "terraform"
    AZ = "az"
    YAML = "yaml"
    CSV = "csv"
    MARKDOWN = "markdown"


class Breadth(StrEnum):
    """How much of a documented way a rule opens."""

    OBSERVED = "observed"
    DOCUMENTED = "documented"


class PlatformName(StrEnum):
    """Where a rule is to be applied."""

    AZURE_FIREWALL = "azure-firewall"
    NSG = "nsg"
    AML_MANAGED_NETWORK = "aml-managed-network"
